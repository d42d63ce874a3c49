from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import amiforge.bake
from amiforge.bake.manifest import Manifest
from amiforge.cli import machine
from amiforge.cli.app import run
from amiforge.host.base import Output
from amiforge.host.fake import FakeHost
from tests.unit.bake.manifests import gpu

OLD, NEW = "20261101-000000-aaaa", "20261102-000000-bbbb"
BUMP = "NVIDIA driver, NVIDIA Fabric Manager"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for made in (gpu(run=OLD), gpu(run=NEW, driver="580.126.09", image="ami-0b")):
        folder = Path(".amiforge/runs") / made.run
        folder.mkdir(parents=True)
        made.write(folder / "manifest.json")


def on_machine(monkeypatch: pytest.MonkeyPatch, output: Output) -> FakeHost:
    host = FakeHost(lambda _script: output)
    monkeypatch.setattr(machine, "host_from", lambda *_args, **_more: host)
    return host


@pytest.mark.parametrize("before", ["ami-0a", OLD, "20261101", f".amiforge/runs/{OLD}/manifest.json"])
def test_images_are_named_by_ami_run_or_file(before: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", before, "ami-0b"]) == 0
    assert capsys.readouterr().out.splitlines()[3] == f"  {BUMP}  580.105.08 → 580.126.09  (7 packages, 5 modules)"


def test_an_instance_says_itself_what_it_is_made_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Manifest = gpu(run=NEW, driver="580.126.09").model_copy(update={"image": ""})
    host = on_machine(monkeypatch, Output(0, told.model_dump_json().encode()))
    assert run(["diff", "ami-0a", "ec2-user@10.0.0.1"]) == 0
    assert BUMP in capsys.readouterr().out
    assert not host.connected
    on_machine(monkeypatch, Output(1, b"", b"cat: no such file"))
    assert run(["diff", "ami-0a", "ec2-user@10.0.0.1"]) == 2
    assert "is not of amiforge's making" in capsys.readouterr().err


def test_it_is_there_for_programs_and_for_pull_requests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", OLD, NEW, "--json"]) == 0
    assert [each["title"] for each in json.loads(capsys.readouterr().out)["components"]] == [BUMP]
    assert run(["diff", OLD, NEW, "--markdown"]) == 0
    assert f"| {BUMP} | 580.105.08 | 580.126.09 |" in capsys.readouterr().out
    assert run(["diff", OLD, NEW, "--markdown", "--json"]) == 2


@pytest.mark.parametrize(("after", "status"), [(OLD, 0), (NEW, 1)])
def test_a_difference_ends_with_a_status_only_where_that_is_asked_for(after: str, status: int) -> None:
    assert run(["diff", OLD, after]) == 0
    assert run(["diff", OLD, after, "--exit-code"]) == status


@pytest.mark.parametrize("name", ["ami-0unknown", "2025", "none.json", "pyproject.toml"])
def test_what_nobody_knows_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text("")
    assert run(["diff", OLD, name]) == 2
    assert name in capsys.readouterr().err


@pytest.mark.parametrize(("form", "key"), [("cyclonedx", "bomFormat"), ("spdx", "spdxVersion")])
def test_an_sbom_is_printed_or_written(form: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sbom", "ami-0a", "--format", form]) == 0
    printed = capsys.readouterr().out
    assert key in json.loads(printed)
    assert run(["sbom", OLD, "--format", form, "--output", "image.json"]) == 0
    assert Path("image.json").read_text() == printed
    assert run(["sbom", OLD, "--output", "no/where.json"]) == 2


def test_without_its_libraries_there_is_no_sbom_and_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("amiforge.bake.sbom")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(amiforge.bake, "sbom", raising=False)
    monkeypatch.setitem(sys.modules, "cyclonedx.contrib.license.factories", None)
    assert run(["sbom", "ami-0a"]) == 2
    assert "pip install 'amiforge[sbom]'" in capsys.readouterr().err
