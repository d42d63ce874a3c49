from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amiforge.errors import RecipeError
from amiforge.resources import JsonKeys
from tests.realshell import SYSTEM, ask, converge, differing, own_etc

PATH = "/etc/docker/daemon.json"


@pytest.mark.parametrize("pointer", ["", "a", "/", "/a/", "/a//b", "/a~2"])
def test_what_points_to_no_key_is_refused(pointer: str) -> None:
    with pytest.raises(RecipeError, match="points to no key"):
        JsonKeys(PATH, {pointer: 1})


def test_a_key_inside_another_one_is_refused() -> None:
    with pytest.raises(RecipeError, match="/a/b is a part of /a"):
        JsonKeys(PATH, {"/a": {}, "/a/b": 1})


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("before", "values", "after"),
    [
        (None, {"/a": 1}, {"a": 1}),
        ("", {"/a/b": []}, {"a": {"b": []}}),
        ('{"a": {"x": 1}, "z": 2}', {"/a/b": "1"}, {"a": {"x": 1, "b": "1"}, "z": 2}),
        ('{"a": [1]}', {"/a/b": True}, {"a": {"b": True}}),
        ('{"a": {"b": 1, "c": 2}}', {"/a/b": None}, {"a": {"c": 2}}),
        ('{"a": 1}', {"/a": 1.5, "/x~1y~0": {"q": 1}}, {"a": 1.5, "x/y~": {"q": 1}}),
        ("{}", {"/é": "日"}, {"é": "日"}),
    ],
)
def test_keys_are_set_and_all_others_stay(
    tmp_path: Path, before: str | None, values: dict[str, Any], after: Any
) -> None:
    path = tmp_path / PATH[1:]
    within = own_etc(tmp_path)
    path.parent.mkdir(parents=True)
    if before is not None:
        path.write_text(before)
        path.chmod(0o600)
    resource = JsonKeys(PATH, values)
    planned = ask(resource, SYSTEM, within=within)
    assert differing(planned) == set(values)
    converge(planned, within=within)
    assert json.loads(path.read_text()) == after
    assert path.stat().st_mode & 0o777 == (0o644 if before is None else 0o600)
    assert ask(resource, SYSTEM, within=within).as_wanted


@pytest.mark.shell
@pytest.mark.subprocesses
def test_only_the_key_that_drifted_is_named(tmp_path: Path) -> None:
    path = tmp_path / PATH[1:]
    within = own_etc(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text('{"b": 2, "a": {"x": {"k": 1, "j": 2}}, "c": 3}')
    assert differing(ask(JsonKeys(PATH, {"/a/x": {"j": 2, "k": 1}, "/b": 3}), SYSTEM, within=within)) == {"/b"}


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize(("content", "why"), [('{"a": 1,}', "is no JSON: "), ("[1]", "holds no JSON object")])
def test_a_file_that_cannot_be_merged_is_left_alone(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / PATH[1:]
    within = own_etc(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    planned = ask(JsonKeys(PATH, {"/a": 1}), SYSTEM, within=within)
    assert why in planned.unknown
    assert planned.changes == ()
