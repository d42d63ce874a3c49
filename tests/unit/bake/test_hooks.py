from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from amiforge.bake.hooks import Hook, Notice, commands, tell
from amiforge.bake.manifest import Manifest
from amiforge.engine.events import Event, HookFailed
from amiforge.errors import AmiforgeError, Parked
from amiforge.settings import HookSettings, PublishSettings
from tests.unit.bake.bench import Bench

NOTICE = Notice(event="baked", run="20261123-1", recipe="base", os="al2023", arch="x86_64", region="us-east-1")


@pytest.fixture
def heard(bench: Bench) -> list[Notice]:
    found: list[Notice] = []
    bench.hooks = [found.append]
    return found


def events(heard: list[Notice]) -> list[str]:
    return [notice.event for notice in heard]


def test_a_bake_announces_its_beginning_and_its_image(bench: Bench, heard: list[Notice]) -> None:
    made: Manifest = bench.bake()
    assert events(heard) == ["started", "baked"]
    assert (heard[0].image, heard[1].image, heard[1].verified) == ("", made.image, "passed")
    assert {(notice.run, notice.recipe, notice.os, notice.region) for notice in heard} == {
        (made.run, "empty", "al2023", "us-east-1")
    }
    assert Path(heard[1].report).is_file()


def test_publishing_is_announced_after_the_image(bench: Bench, heard: list[Notice]) -> None:
    made = bench.bake(PublishSettings(pointer="/images/{recipe}"))
    assert events(heard) == ["started", "baked", "published"]
    assert heard[2].published == {"us-east-1": made.image}


def test_a_failure_is_announced_once_with_its_reason(bench: Bench, heard: list[Notice]) -> None:
    bench.faults[("CreateImage", 1)] = "UnauthorizedOperation"
    with pytest.raises(AmiforgeError):
        bench.bake()
    assert events(heard) == ["started", "failed"]
    assert "CreateImage" in heard[1].reason


def test_ctrl_c_is_announced_as_a_failure(bench: Bench, heard: list[Notice]) -> None:
    def interrupt(event: Notice) -> None:
        if event.event == "started":
            raise KeyboardInterrupt

    bench.hooks = [*bench.hooks, interrupt]
    with pytest.raises(KeyboardInterrupt):
        bench.bake()
    assert [(notice.event, notice.reason) for notice in heard] == [("started", ""), ("failed", "interrupted")]


def test_a_parked_run_says_how_to_go_on_and_who_resumes_announces_only_what_is_new(
    bench: Bench, heard: list[Notice]
) -> None:
    bench.fates.append("pending")
    with pytest.raises(Parked):
        bench.bake(image_deadline=1)
    assert events(heard) == ["started", "parked"]
    assert heard[1].resume == f"amiforge resume {heard[1].run}"
    bench.set_image(heard[1].image, "available")
    bench.resume()
    assert events(heard) == ["started", "parked", "baked"]


def test_a_hook_that_fails_costs_no_bake_and_keeps_no_other_from_being_told(bench: Bench, heard: list[Notice]) -> None:
    def broken(_: Notice) -> None:
        raise RuntimeError("no such channel")

    bench.hooks = [broken, *bench.hooks]
    assert bench.bake().verification.outcome == "passed"
    assert events(heard) == ["started", "baked"]
    failures = [event for event in bench.events if isinstance(event, HookFailed)]
    assert [event.message for event in failures] == ["broken raised RuntimeError: no such channel"] * 2


def run(*hooks: Hook) -> list[HookFailed]:
    found: list[Event] = []
    tell(NOTICE, hooks, found.append)
    return [event for event in found if isinstance(event, HookFailed)]


@pytest.mark.subprocesses
def test_a_command_gets_the_event_on_standard_input_and_in_its_environment(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = f'cat >{told}; echo "$AMIFORGE_EVENT $AMIFORGE_RUN $AMIFORGE_IMAGE" >>{told}'
    assert run(*commands(HookSettings(baked=(command,), failed=(f"rm {told}",)))) == []
    text, environment = told.read_text().split("}b")
    assert json.loads(text + "}")["recipe"] == "base"
    assert environment == "aked 20261123-1 \n"


@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("command", "message", "output"),
    [
        ("echo no channel; echo really >&2; exit 3", "hook ended with status 3: ", "no channel\nreally"),
        ("echo asking; sleep 60 & sleep 60", "hook did not end within 0.3 s: ", "asking"),
        ("nosuchprogram", "hook ended with status 127: ", ""),
    ],
)
def test_a_command_that_fails_is_told_with_its_output(command: str, message: str, output: str) -> None:
    started = time.monotonic()
    (failure,) = run(*commands(HookSettings(baked=(command,), timeout=0.3)))
    assert failure.message == message + command
    assert output in failure.lines["output"]
    assert time.monotonic() - started < 30


@pytest.mark.subprocesses
def test_what_a_command_leaves_running_is_not_waited_for() -> None:
    assert run(*commands(HookSettings(baked=("sleep 5 & echo begun",), timeout=4))) == []
