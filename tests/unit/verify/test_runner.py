from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from amiforge.ec2.source_image import SourceImage
from amiforge.engine.events import CheckFinished, Event
from amiforge.engine.resource import Resource
from amiforge.errors import CheckFailed, ConnectionLost
from amiforge.host.base import Output
from amiforge.host.fake import FakeHost
from amiforge.recipes.recipe import Recipe
from amiforge.systems import identify
from amiforge.systems.system import System
from amiforge.tasks.task import Check, Task
from amiforge.verify.runner import verify
from tests.unit.verify.fakes import answering, commands

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

AL2023 = System(identify("amzn", "2023"), kernel="6.1.0", boot_id="b", user="ec2-user")
GPU = System(identify("amzn", "2023"), pci=frozenset({"10de:2330"}))


class Motd(Task):
    """A greeting."""

    def resources(self, system: System) -> Iterator[Resource]:
        raise AssertionError(f"a verification applies nothing to {system}")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        yield Check("the kernel answers", "6.1.0", lambda: host.check_output("uname -r"))
        yield Check("the greeting is kind", "hello", lambda: host.check_output("cat %s", "/etc/my motd"))
        yield Check(f"a GPU of {system.os.name} answers", 0, lambda: host.run("nvidia-smi").rc, device="10de")


RECIPE = Recipe(name="greeter", description="greets", source=SourceImage(ami="ami-0123456789abcdef0"), tasks=(Motd(),))

ANSWERS = {
    "uname -r": Output(0, b"6.1.0\n"),
    "cat '/etc/my motd'": Output(0, b"hello"),
    "nvidia-smi": Output(0),
}


def host(greeting: str = "hello", status: int = 0) -> FakeHost:
    said = Output(status, greeting.encode(), b"cat: no such file")
    return answering({**ANSWERS, "cat '/etc/my motd'": said}.__getitem__)


def test_all_checks_pass_and_each_is_reported_in_order() -> None:
    events: list[Event] = []
    outcomes = verify(host(), RECIPE, GPU, listener=events.append)
    assert [(each.task, each.title, each.outcome) for each in outcomes] == [
        ("motd", "the kernel answers", "passed"),
        ("motd", "the greeting is kind", "passed"),
        ("motd", "a GPU of al2023 answers", "passed"),
    ]
    assert tuple(events) == outcomes


def test_checks_are_asked_together_in_one_session() -> None:
    asked = host()
    verify(asked, RECIPE, GPU)
    assert [commands(script) for script in asked.scripts] == [["uname -r", "cat '/etc/my motd'", "nvidia-smi"]]


def test_check_of_an_absent_device_is_skipped_without_asking() -> None:
    asked = host()
    outcome = verify(asked, RECIPE, AL2023)[2]
    assert (outcome.outcome, outcome.detail) == ("skipped", "no device of PCI vendor 10de here")
    assert "nvidia-smi" not in "".join(asked.scripts)


def test_failed_checks_are_named_after_all_were_tested() -> None:
    events: list[Event] = []
    with pytest.raises(CheckFailed, match="1 of 3 checks failed: greeter on fake") as failed:
        verify(host("go away"), RECIPE, GPU, listener=events.append)
    assert failed.value.lines["failed"] == "motd: the greeting is kind: expected 'hello', found 'go away'"
    assert [event.outcome for event in events if isinstance(event, CheckFinished)] == ["passed", "failed", "passed"]


def test_exception_of_a_check_is_its_reason_and_reads_well() -> None:
    with pytest.raises(CheckFailed) as failed:
        verify(host("", status=1), RECIPE, GPU)
    assert failed.value.lines["failed"].endswith("Unexpected exit code 1 for `cat '/etc/my motd'`: cat: no such file")


def test_lost_connection_is_no_failed_check() -> None:
    lost = answering(lambda _command: Output(0, b"6.1.0"), lose_at=frozenset({1}))
    with pytest.raises(ConnectionLost):
        verify(lost, RECIPE, AL2023)


def test_facts_are_read_from_the_host_when_none_are_given() -> None:
    facts = b"os amzn 2023\narch x86_64\nkernel 6.1.0\nboot_id b\nuser ec2-user\npci 10de:2330\n"
    fake = answering(lambda command: Output(0, facts) if "os-release" in command else ANSWERS[command])
    assert [each.outcome for each in verify(fake, RECIPE)] == ["passed"] * 3


def test_junit_is_written_for_a_failure_too(tmp_path: Path) -> None:
    path = tmp_path / "new" / "junit.xml"
    with pytest.raises(CheckFailed):
        verify(host("bell \x07 é <&>"), RECIPE, AL2023, junit=path)
    suite = ET.parse(path).getroot()[0]  # noqa: S314 - our own file
    assert {name: suite.get(name) for name in ("name", "tests", "failures", "skipped")} == {
        "name": "amiforge.greeter",
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    cases = {case.get("name"): case for case in suite}
    failure = cases["the greeting is kind"].find("failure")
    assert failure is not None
    assert "é <&>" in str(failure.get("message"))
    assert cases["a GPU of al2023 answers"].find("skipped") is not None
    assert cases["the kernel answers"].get("classname") == "amiforge.greeter.motd"
