from __future__ import annotations

import json
from pathlib import Path

import pytest

from amiforge.bake.manifest import Manifest
from amiforge.bake.manifests import find_manifest, load_manifest, read_manifest
from amiforge.errors import ConfigError
from tests.unit.bake.manifests import gpu


def put(runs: Path, made: Manifest) -> Path:
    folder = runs / made.run
    folder.mkdir(parents=True)
    made.write(folder / "manifest.json")
    return folder / "manifest.json"


def test_a_manifest_is_found_by_run_by_image_and_by_an_images_copy(tmp_path: Path) -> None:
    copied = {"copies": {"eu-west-1": "ami-0copy"}}
    one = gpu().model_copy(update={"publication": copied})
    other = gpu(run="20261102-000000-bbbb", image="ami-0b")
    other = other.model_copy(update={"source": other.source.model_copy(update={"ami": "ami-0a"})})
    path = put(tmp_path, one)
    put(tmp_path, other)
    assert load_manifest(path) == one
    assert find_manifest(tmp_path, "20261102") == other
    for name in (one.run, "ami-0a", "ami-0copy"):
        assert find_manifest(tmp_path, name) == one
    with pytest.raises(ConfigError, match="several runs begin with '202611'"):
        find_manifest(tmp_path, "202611")
    for name in ("ami-source", "2025"):
        with pytest.raises(ConfigError, match="no run in"):
            find_manifest(tmp_path, name)


def test_a_manifest_of_another_schema_is_refused_with_the_version_that_reads_it() -> None:
    text = json.dumps({"schema_version": 1, "amiforge": "0.0.9"})
    with pytest.raises(ConfigError, match="of schema 1, and this amiforge reads schema 2") as caught:
        read_manifest(text, "x.json")
    assert "0.0.9" in caught.value.lines["fix"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"schema_version": 2}', '{"schema_version": 2, "amiforge": 1}']
)
def test_what_is_no_manifest_is_refused_by_name(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.json"):
        read_manifest(text, "x.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_manifest(tmp_path / "none.json")
