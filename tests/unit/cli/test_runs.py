from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amiforge.bake.claim import claim
from amiforge.bake.journal import Journal
from amiforge.bake.manifest import described
from amiforge.cli.app import run
from amiforge.cli.asked import Asked
from amiforge.engine.resource import Resource
from amiforge.errors import ConfigError
from amiforge.recipes import find
from amiforge.redaction import Redaction
from amiforge.shell import Secret
from amiforge.systems.system import System
from amiforge.tasks.task import Task


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def begun(run_id: str, **changed: Any) -> Journal:
    journal = Journal(Path(".amiforge/runs") / run_id / "journal.jsonl", Redaction(()))
    about = {
        "run": run_id,
        "recipe": "pcluster_cpu",
        "os": "al2023",
        "arch": "x86_64",
        "region": "us-east-1",
        "endpoint": "",
        "profile": "",
        "image": "name",
        "expires": "2026-11-23T15:00:00Z",
        "tags": {},
        "asked": {},
        "options": described(find("pcluster_cpu")),
    }
    journal.begin(**about | changed)
    return journal


def test_runs_are_listed_with_how_they_ended(capsys: pytest.CaptureFixture[str]) -> None:
    begun("1").write("ended", outcome="baked", image="ami-1")
    journal = begun("2")
    journal.write("started", step="provision")
    parked = begun("3")
    parked.write("failed", step="wait for image", error="Parked: late")
    parked.write("ended", outcome="parked", reason="late")
    assert run(["runs", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["status"], each["step"], each["image"], each["resumable"]) for each in told] == [
        ("baked", "", "ami-1", False),
        ("died", "provision", "", True),
        ("parked", "", "", True),
    ]
    assert run(["runs"]) == 0
    said = capsys.readouterr().out
    assert "parked: late" in said
    assert "amiforge resume RUN" in said


def test_a_run_that_somebody_works_on_says_who(capsys: pytest.CaptureFixture[str]) -> None:
    journal = begun("1")
    with claim(journal.path.parent / "claim", "run 1", "1"):
        assert run(["runs"]) == 0
        assert "baking: run 1 by " in capsys.readouterr().out
        assert run(["resume", "1"]) == 4
    assert "held by  run 1 by" in capsys.readouterr().err


def test_unreadable_journals_do_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    begun("1")
    begun("2").path.write_text('{"kind": "run", "schema": 2, "at": 1}\n')
    begun("3").path.write_text("")
    assert run(["runs"]) == 0
    said = capsys.readouterr()
    assert "died" in said.out
    assert "2/journal.jsonl: not the journal of a run" in said.err
    assert "3/journal.jsonl is empty" in said.err


def test_an_empty_folder_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs"]) == 0
    assert capsys.readouterr().out == "no runs in .amiforge/runs\n"
    assert run(["resume"]) == 2
    assert "there is no run to go on with" in capsys.readouterr().err


def test_a_recipe_that_became_another_one_is_not_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    options = described(find("pcluster_cpu"))
    begun("1", options={**options, "builder": {**options["builder"], "volume_gib": 77}})
    assert run(["resume"]) == 2
    assert "builder.volume_gib was 77, is 0" in capsys.readouterr().err


class Keyed(Task):
    """A task with a secret."""

    token: Secret = Secret("nothing")

    def resources(self, system: System) -> Iterator[Resource]:
        yield from ()


def test_secrets_are_not_recorded_and_must_be_given_again() -> None:
    recipe = find("pcluster_cpu").with_task(Keyed())
    asked = Asked(changes=("keyed.token=hunter22", "docker.version=1"), versions="gpu-stable")
    record = asked.record(recipe, None, sandbox=True)
    assert "hunter22" not in json.dumps(record)
    assert record["withheld"] == ["keyed.token"]
    with pytest.raises(ConfigError, match=r"secrets, which are written down nowhere: keyed\.token"):
        Asked.recorded(record, ())
    again = Asked.recorded(record, ("keyed.token=hunter23",))
    assert again.changes == ("docker.version=1", "keyed.token=hunter23")
    assert again.versions == "gpu-stable"
