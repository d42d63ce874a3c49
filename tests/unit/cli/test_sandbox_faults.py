from __future__ import annotations

import json
from typing import Any

import pytest

from amiforge.cli.app import run
from amiforge.errors import ConfigError
from amiforge.sandbox import lifecycle, orders
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.faults import Fault, parse

HERE = Endpoint("http://127.0.0.1:1", "http://127.0.0.1:2")


pytestmark = pytest.mark.usefixtures("ordered")


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> list[Fault]:
    """Pretend that a sandbox runs, and give what is ordered from it."""
    faults: list[Fault] = []
    monkeypatch.setattr(lifecycle, "running", lambda: HERE)
    monkeypatch.setattr(orders, "order", lambda _, fault: faults.append(fault))
    monkeypatch.setattr(orders, "listing", lambda _: [fault.model_dump() for fault in faults])
    monkeypatch.setattr(orders, "clear", lambda _: faults.clear())
    return faults


def faults(*words: str) -> int:
    return run(["sandbox", "faults", *words])


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("lost RunInstances", {"operation": "RunInstances", "lost": True}),
        (
            "error CreateImage --code RequestLimitExceeded --times 3 --skip 1",
            {"operation": "CreateImage", "error": "RequestLimitExceeded", "times": 3, "skip": 1},
        ),
        (
            "throttle 5",
            {
                "operation": "*",
                "error": "RequestLimitExceeded",
                "message": "Request limit exceeded.",
                "every": 5,
                "times": None,
            },
        ),
        (
            "expired 60 --code ExpiredToken",
            {
                "operation": "*",
                "error": "ExpiredToken",
                "message": "The provided token has expired.",
                "seconds": 60,
                "times": None,
            },
        ),
        (
            "no-room m6i.4xlarge --zone us-east-1a",
            {"kind": "no-room", "instance_type": "m6i.4xlarge", "zone": "us-east-1a"},
        ),
        (
            "quota 32 --type p5.* --market spot",
            {"kind": "quota", "vcpus": 32, "instance_type": "p5.*", "market": "spot"},
        ),
        ("late-image 120", {"kind": "late", "what": "image", "seconds": 120}),
        ("late-copy 9 --region eu-*", {"kind": "late", "what": "copy", "seconds": 9, "region": "eu-*"}),
        ("late-pointer 9", {"kind": "late", "what": "parameter", "seconds": 9}),
        ("failed-copy --region us-west-2", {"kind": "failed-copy", "region": "us-west-2"}),
        ("lost CopyImage --region us-west-2", {"operation": "CopyImage", "region": "us-west-2", "lost": True}),
        (
            "error PutParameter --region us-west-2 --code AccessDeniedException",
            {"operation": "PutParameter", "region": "us-west-2", "error": "AccessDeniedException"},
        ),
        ("late-instance 1 --times 2", {"kind": "late", "what": "pending", "seconds": 1, "times": 2}),
        ("late-stop 1", {"kind": "late", "what": "stopping", "seconds": 1}),
        ("late-end 1", {"kind": "late", "what": "shutting-down", "seconds": 1}),
        ("failed-image --reason gone", {"kind": "failed-image", "reason": "gone"}),
        ("failed-launch --code Client.InternalError", {"kind": "failed-launch", "code": "Client.InternalError"}),
        ("lag --looks 3 --resource image", {"kind": "lag", "resource": "image", "looks": 3}),
        ("sshd-gone 30", {"kind": "harm", "harm": "sshd-gone", "seconds": 30}),
        ("slow-link 1000 --role builder", {"kind": "harm", "harm": "slow-link", "rate": 1000, "role": "builder"}),
        ("silent-link 20 --after 5", {"kind": "harm", "harm": "silent-link", "seconds": 20, "after": 5}),
        ("full-disk --room 4096", {"kind": "harm", "harm": "full-disk", "room": 4096}),
        ("lock --for 9 --instance i-1", {"kind": "harm", "harm": "lock", "seconds": 9, "instance": "i-1"}),
        *((word, {"kind": "harm", "harm": word}) for word in ("reboot", "interruption", "cut-link", "read-only")),
    ],
)
def test_words_of_the_command_line_become_a_fault(ordered: list[Fault], words: str, fault: dict[str, Any]) -> None:
    assert faults("add", *words.split()) == 0
    assert ordered == [parse(json.dumps(fault))]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("late-image soon", "SECONDS"),
        ("late-image -- -1", "SECONDS"),
        ("error CreateImage --times 0", "--times"),
        ("no-room m6i.large --market flea", "--market"),
        ("lag", "--looks"),
        ("earthquake", "earthquake"),
    ],
)
def test_bad_input_is_refused_and_named(
    ordered: list[Fault], capsys: pytest.CaptureFixture[str], words: str, named: str
) -> None:
    assert faults("add", *words.split()) == 2
    assert named in capsys.readouterr().err
    assert ordered == []


def test_a_refusal_of_the_sandbox_is_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Endpoint, fault: Fault) -> None:
        raise ConfigError(f"no {fault.kind}", fix="another")

    monkeypatch.setattr(orders, "order", refuse)
    assert faults("add", "lost", "RunInstance") == 2
    assert "✗ no call\n    fix  another" in capsys.readouterr().err


def test_what_is_ordered_is_listed_and_cleared(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("lost RunInstances --times 2", "no-room p5.48xlarge --zone us-east-1a", "reboot --after 5"):
        faults("add", *words.split())
    faults("list")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["no-room", "instance_type=p5.48xlarge", "zone=us-east-1a", "until", "cleared"] in rows
    assert rows[-1][0] == "reboot"
    faults("list", "--json")
    assert len(json.loads(capsys.readouterr().out)) == 3
    faults("clear")
    faults("list")
    assert capsys.readouterr().out == "none ordered\n"


def test_without_a_sandbox_that_runs_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lifecycle, "running", lambda: None)
    for words in (["add", "reboot"], ["list"], ["clear"]):
        assert faults(*words) == 2
        assert "amiforge sandbox up" in capsys.readouterr().err
