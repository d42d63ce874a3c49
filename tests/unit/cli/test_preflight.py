from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from amiforge.cli.app import run
from amiforge.cli.choice import Chosen
from amiforge.cli.config import load
from amiforge.cli.preflight import as_lines, describe, exit_status, of_ec2, of_recipe
from amiforge.cli.where import Where
from amiforge.ec2.preflight import Finding
from amiforge.engine.events import silent
from amiforge.engine.resource import Resource
from amiforge.host.ssh_settings import Ssh
from amiforge.recipes import eks_gpu
from amiforge.resources import Artifact
from amiforge.settings import AwsSettings, EngineSettings
from amiforge.systems.system import System
from amiforge.systems.trust import Trust
from amiforge.tasks.task import Task

FACT = Finding("fact", "caller", "arn:aws:iam::1:user/x")
WARNING = Finding("warning", "routes", "no way out", "make one")
PROBLEM = Finding("problem", "subnets", "no subnet subnet-1", "check the id", "builder.subnets")
RULE = Finding("problem", "compatibility", "rule: no", "change it")
DOWNLOADS = Finding("problem", "downloads", "unknown", "amiforge lock", "engine.require_digests")
CHOSEN = Chosen(eks_gpu, given={("builder", "subnets"): "--set builder.subnets=subnet-1"})


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([FACT, WARNING], 0),
        ([PROBLEM, FACT], 4),
        ([RULE], 5),
        ([DOWNLOADS], 2),
        ([RULE, DOWNLOADS], 4),
        ([RULE, PROBLEM], 4),
    ],
)
def test_the_command_ends_as_the_bake_would(found: list[Finding], status: int) -> None:
    assert exit_status(found) == status


def test_people_get_facts_as_a_table_and_all_problems_with_place_and_fix() -> None:
    lines = list(describe([PROBLEM, WARNING, FACT], CHOSEN, "eks_gpu on al2023 x86_64"))
    text = "\n".join(lines)
    assert text.index("caller") < text.index("! routes: no way out") < text.index("✗ subnets")
    assert "✗ subnets: no subnet subnet-1\n    set in  --set builder.subnets=subnet-1\n    fix     check the id" in text
    assert lines[-1] == "1 problem, 1 warning: a bake cannot succeed"
    assert list(describe([FACT], CHOSEN, ""))[-1] == "0 problems, 0 warnings: a bake can start"


def test_programs_get_a_line_for_each_finding_and_one_for_all() -> None:
    first, last = (json.loads(line) for line in as_lines([PROBLEM], CHOSEN, 4))
    assert (first["event"], first["level"], first["where"]) == ("Found", "problem", "builder.subnets")
    assert first["given"] == "--set builder.subnets=subnet-1"
    assert (last["event"], last["problems"], last["exit_status"]) == ("Planned", 1, 4)


class Unknown(Task):
    def resources(self, system: System) -> Iterator[Resource]:
        yield Artifact("https://vendor.example/x", "/c/x")


def test_what_speaks_against_the_recipe_itself_is_found_too() -> None:
    broken = eks_gpu.with_options("nvidia_driver", version="470.256.02").with_task(Unknown())
    there = Where(AwsSettings(), EngineSettings(require_digests=True), Ssh(), Trust({}, {}), silent)
    found = {each.title: each for each in of_recipe(broken, there) if each.level == "problem"}
    assert set(found) == {"compatibility", "downloads"}
    assert "--allow" in found["compatibility"].fix
    assert "amiforge lock" in found["downloads"].fix


def test_what_calls_are_signed_with_is_shown_by_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"AWS_SECRET_ACCESS_KEY": "hunter2hunter2", "AWS_SESSION_TOKEN": "token-of-mine"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    quoting = Finding("problem", "credentials", "should have been: " + " ".join(secrets.values()), "log in")
    monkeypatch.setattr("amiforge.ec2.preflight.preflight", lambda *_: (quoting,))
    there = Where(AwsSettings(region="us-east-1"), EngineSettings(), Ssh(), Trust({}, {}), silent)
    (found,) = of_ec2(eks_gpu, load(environment={}), there)
    assert found.detail.startswith("should have been: ")
    assert not any(value in found.detail for value in secrets.values())


def test_the_policy_is_json_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["plan", "eks_gpu", "--policy", "--region", "us-west-2", "--set", "builder.profile=p"]) == 0
    policy = json.loads(capsys.readouterr().out)
    assert {"ImportKey", "Launch", "PassRole", "CreateImage"} <= {each["Sid"] for each in policy["Statement"]}
    assert "arn:aws:ec2:us-west-2:*:subnet/*" in str(policy)


def test_a_host_and_a_bake_are_not_asked_about_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "base", "--host", "local://", "--aws"]) == 2
    assert "--host asks a machine" in capsys.readouterr().err
