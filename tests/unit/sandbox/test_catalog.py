"""One file a component: what may stand in it, and how wrong data is refused, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.errors import ConfigError
from amiforge.sandbox.catalog import Catalog, Repository, read_catalog
from tests.unit.sandbox.standin import ORIGIN, make

PACKAGE = '[[package]]\nname = "jq"\nsummary = "JSON"\n'
VERSIONED = PACKAGE + 'repository = "core"\nversions = ["1.7-1"]\n'
REPOSITORIES = '[[repository]]\nname = "core"\n[[repository]]\nname = "apt"\nkind = "deb"\n'


def read(folder: Path, text: str) -> Catalog:
    (folder / "some.toml").write_text(text)
    return read_catalog(folder)


def test_a_component_is_one_file_of_any_tables(tmp_path: Path) -> None:
    (tmp_path / "another.toml").write_text(REPOSITORIES)
    catalog = read(tmp_path, VERSIONED + '[[artifact]]\nkind = "file"\npath = "host/a"\nkey = "host/key"\n')
    assert [build.name for build in catalog.builds(ORIGIN)] == ["jq-1.7-1.x86_64"]
    assert catalog.key_paths == ("host/key",)


def test_versions_may_differ_by_repository(tmp_path: Path) -> None:
    catalog = read(tmp_path, REPOSITORIES + PACKAGE + '[package.versions]\ncore = ["1.7-1"]\napt = ["1.6-2ubuntu1"]\n')
    assert [build.name for build in catalog.builds(ORIGIN)] == ["jq-1.7-1.x86_64", "jq_1.6-2ubuntu1_amd64"]


def test_repositories_may_have_a_version_in_common(tmp_path: Path) -> None:
    text = PACKAGE + '[package.versions]\ncore = ["1-1", "2-1"]\nother = ["2-1"]\n[[repository]]\nname = "other"\n'
    builds = read(tmp_path, REPOSITORIES + text).builds(ORIGIN)
    assert [(build.name, *build.package.repository) for build in builds] == [
        ("jq-1-1.x86_64", "core"),
        ("jq-2-1.x86_64", "core"),
        ("jq-2-1.x86_64", "other"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VERSIONED + 'version = "1"\n', r"some\.toml, package jq: version: Extra inputs"),
        ("name = = 1", r"some\.toml is not TOML: .*line 1"),
        ('[[artifact]]\npath = "host/a"\n', r"some\.toml, artifact host/a: kind: Field required"),
    ],
)
def test_wrong_data_is_refused_with_file_and_entry(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VERSIONED.replace("1.7-1", "1.7"), r"stand-in jq: version '1\.7' is not version-release"),
        (VERSIONED.replace('"core"', '["core", "apt"]'), "stand-in jq: its repositories are of two kinds"),
        (VERSIONED.replace('"core"', '"other"'), "have no repository 'other'"),
        (VERSIONED + VERSIONED + "epoch = 1", r"two stand-ins that differ are jq-1\.7-1\.x86_64"),
    ],
)
def test_packages_that_cannot_be_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tuple(read(tmp_path, REPOSITORIES + text).builds(ORIGIN))


def test_newer_versions_lie_in_the_pockets_of_an_archive() -> None:
    fix, update = (make("a", "1-1", "2-1", repository="ubuntu", security=text) for text in ("USN-1", ""))
    only = make("b", "1-1", repository="ubuntu", security="USN-2")
    archive = Repository(name="ubuntu", kind="deb", suite="noble", pockets=True)
    assert archive.suites([*fix, *only]) == {
        "noble": [fix[0], *only],
        "noble-updates": [],
        "noble-security": [fix[1]],
    }
    assert archive.suites(update)["noble-updates"] == [update[1]]
    assert Repository(name="ubuntu", kind="deb").suites(fix) == {"/": fix}
