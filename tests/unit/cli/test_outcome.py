from __future__ import annotations

import json

import pytest

from amiforge.cli.outcome import Outcome, failed, tell
from amiforge.errors import LaunchFailed
from amiforge.recipes import eks_gpu

MADE = Outcome("base", "ubuntu2404", "x86_64", image="ami-1", verified="passed", checks=31, seconds=187)
FAILED = failed(eks_gpu, LaunchFailed("no capacity", reason="none [in any zone]\nat all", fix="wait"), 3.21987)


def test_several_bakes_end_with_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    tell([MADE, FAILED], as_json=False)
    head, _, made, no = capsys.readouterr().out.strip().splitlines()
    assert head.split() == ["recipe", "os", "arch", "image", "verified", "time"]
    assert made.split() == ["base", "ubuntu2404", "x86_64", "ami-1", "passed", "(31", "checks)", "3:07"]
    assert no.split("  ")[0] == "eks_gpu"
    assert "no capacity: none [in any zone]" in no


def test_programs_get_it_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    tell([MADE, FAILED], as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["event"] == "BakesFinished"
    assert [(each["image"], each["reason"], each["exit_status"]) for each in told["images"]] == [
        ("ami-1", "", 0),
        ("", "no capacity: none [in any zone]", 4),
    ]
