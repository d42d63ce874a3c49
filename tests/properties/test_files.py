"""Whatever a file of ours holds, it is read, or refused by an error that says which file and where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from amiforge.bake.history import History, histories
from amiforge.bake.manifest import Notes
from amiforge.bake.state import State
from amiforge.cli.asked import Asked
from amiforge.cli.choice import choose
from amiforge.cli.config import load
from amiforge.engine.events import silent
from amiforge.engine.lockfile import Lockfile
from amiforge.errors import AmiforgeError, ConfigError, RecipeError
from amiforge.sandbox.catalog import read_catalog
from amiforge.sandbox.standins import STANDINS
from tests.properties.settings_text import VALUES, damaged

SETTINGS = """
[engine]
lock_wait = 900
mirror = "https://mirror.example"
require_digests = false
[aws]
region = "us-east-2"
attempts = 3
[bake]
image_name = "x-{recipe}-{os}-{arch}-{run}"
tags = { team = "ml" }
on_failure = "keep"
verify = true
[ssh]
connect_timeout = 5
[recipes.eks_gpu]
os = ["al2023"]
versions = "gpu-stable"
instances = "p5,g6e"
allow = []
[recipes.eks_gpu.aws_efa]
minimal = false
[recipes.eks_gpu.builder]
instance_types = ["m7i.4xlarge"]
"""
LOCK = f"""
[sha256]
"https://example.org/x" = "{"a" * 64}"
[keys]
"https://example.org/k" = "{"B" * 40}"
"""
RUN: dict[str, Any] = json.loads("""
{"at": 1.5, "kind": "run", "schema": 2, "run": "20261123-114854-k3x9", "recipe": "base", "os": "al2023",
 "arch": "x86_64", "region": "us-east-2", "endpoint": "", "profile": "", "image": "x", "asked": {}, "options": {},
 "expires": "2026-11-23T11:48:54Z", "tags": {}}
""")
LINES: tuple[dict[str, Any], ...] = tuple(
    {"at": 2.0, "step": "launch builder", **json.loads(line)}
    for line in """
{"kind": "started"}
{"kind": "asked", "operation": "RunInstances", "about": {"ClientToken": "t"}}
{"kind": "answered", "operation": "RunInstances", "about": {"InstanceId": ["i-1"]}}
{"kind": "refused", "operation": "RunInstances", "about": {"code": "x", "message": "y"}}
{"kind": "known", "about": {"group": "sg-1", "subnets": [], "keep_image": false}}
{"kind": "failed", "error": "LaunchFailed: no"}
{"kind": "resumed", "expires": "2026-11-23T11:48:54Z", "pid": 1, "host": "h"}
{"kind": "finished", "detail": ""}
{"kind": "ended", "outcome": "parked", "reason": "x"}
""".strip().splitlines()
)
BYTES = st.binary(max_size=300)


def bad(text: str) -> st.SearchStrategy[bytes]:
    """Give bytes like this text, and others."""
    return st.one_of(damaged(text).map(lambda each: each.encode("utf-8", "surrogateescape")), BYTES)


@contextmanager
def written(name: str, content: bytes) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def refusal(read: Callable[[], object]) -> str:
    """Read, and give what is said against it; empty when nothing is."""
    try:
        read()
    except AmiforgeError as error:
        assert error.exit_status == 2  # noqa: PT017 - most are read
        return error.block()
    return ""


@given(bad(SETTINGS))
def test_settings_are_read_or_refused_by_file_and_field(content: bytes) -> None:
    with written("amiforge.toml", content) as path:
        said = refusal(lambda: load(path, environment={}))
        assert not said or str(path) in said
        if not said:
            config = load(path, environment={})
            said = refusal(lambda: choose([*config.recipes, *config.asked] or ["base"], config, Asked()))
            assert not said or "recipes." in said or any(name in said for name in config.asked)


@given(st.sampled_from(["engine", "aws", "bake", "ssh"]), st.data())
def test_a_setting_of_any_type_is_taken_or_refused_by_its_name(section: str, data: st.DataObject) -> None:
    model = type(getattr(load(Path("/dev/null"), environment={}), section))
    option = data.draw(st.sampled_from(sorted(model.model_fields)))
    variable = f"AMIFORGE_{section.upper()}_{option.upper()}"
    text = data.draw(
        st.one_of(st.text(max_size=20), st.sampled_from(["[]", "{}", "nan", "1e400", "-1", '"x"', "true", "[[["]))
    )
    said = refusal(lambda: load(Path("/dev/null"), environment={variable: text}))
    assert not said or variable in said


@given(bad(LOCK))
def test_a_lock_file_is_read_or_refused_by_its_name(content: bytes) -> None:
    with written("amiforge.lock", content) as path:
        said = refusal(Lockfile(path).trust)
        assert not said or str(path) in said


@st.composite
def journals(draw: st.DrawFn) -> bytes:
    """Give journals with lines lost, in another order, with other values, cut off, or of no journal at all."""
    lines = draw(st.lists(st.sampled_from(LINES), max_size=6))
    if draw(st.integers(0, 9)):
        lines.insert(0, RUN)
    texts: list[str] = []
    for line in lines:
        changed = {draw(st.sampled_from(sorted(line))): draw(VALUES)} if not draw(st.integers(0, 3)) else {}
        text = json.dumps({**line, **changed}, default=str)
        texts.append(draw(damaged(text)) if not draw(st.integers(0, 5)) else text)
    whole = "\n".join([*texts, ""]).encode("utf-8", "replace")
    return whole[: draw(st.integers(0, len(whole)))] if not draw(st.integers(0, 3)) else whole


@given(st.one_of(journals(), BYTES))
def test_a_journal_is_read_or_refused_by_its_name(content: bytes) -> None:
    with written("journal.jsonl", content) as path:
        said = refusal(lambda: State.recall(History.of(path.parent).known))
        assert not said or str(path) in said or "journal" in said
        found, wrong = histories(path.parent.parent)
        assert all([*(each.run + each.status for each in found), *(each.message for each in wrong)])


@given(st.one_of(journals(), BYTES))
def test_an_event_log_that_was_damaged_is_passed_over(content: bytes) -> None:
    with written("events.jsonl", content) as path:
        Notes(silent).recall(path)


@given(st.sampled_from(sorted(STANDINS.glob("*.toml"))), st.data())
def test_stand_ins_are_read_or_refused_by_their_file(source: Path, data: st.DataObject) -> None:
    text = source.read_text()
    at = data.draw(st.integers(0, len(text)))
    content = text[:at] + data.draw(damaged(text[at : at + 60])) + text[at + 60 :]
    for each in (content.encode(errors="replace"), data.draw(BYTES)):
        with written(source.name, each) as path:
            said = refusal(partial(read_catalog, path.parent))
            assert not said or source.name in said


def test_what_counts_as_a_refusal_is_a_mistake_in_a_file() -> None:
    assert {ConfigError.exit_status, RecipeError.exit_status} == {2}
