"""Whatever a host answers is understood, or refused as unreadable; never anything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge import recipes, resources
from amiforge.bake.inventory import Inventory, inventory
from amiforge.bake.readiness import Condition, condition
from amiforge.engine.frame import decode
from amiforge.engine.job import read_status
from amiforge.engine.lockfile import recorded
from amiforge.engine.plan import Item, Planned, assess, lay_out, queries
from amiforge.engine.query import Answer, merge, read
from amiforge.engine.resource import Resource
from amiforge.errors import CommandFailed, ConfigError, ConnectionLost, FactUnreadable, RecipeError
from amiforge.host.base import Output
from amiforge.host.fake import FakeHost
from amiforge.resources import (
    Archive,
    Artifact,
    Block,
    GitCheckout,
    Group,
    JsonKeys,
    Packages,
    Run,
    RunAlways,
    Symlink,
    Sysctl,
    Updates,
    User,
)
from amiforge.shell import argv
from amiforge.systems import SYSTEMS, facts
from amiforge.systems.system import System
from tests.properties.answers import ANSWERS, PRINTED
from tests.unit.recipes.words import KERNELS

NONCE = "amiforge-0123456789abcdef0123456789abcdef"
#: Those that hardly any recipe has, and one of a kind that asks several things at once.
OTHERS: tuple[Resource, ...] = (
    Artifact("https://example.org/x", path="/etc/x"),
    Archive("/etc/x.tar.gz", "/opt/x", creates="/opt/x/y"),
    Block("/etc/x", "a", "b\n"),
    GitCheckout("https://example.org/x.git", "v1", "/opt/x"),
    Group("wheel"),
    JsonKeys("/etc/x", {"/a": 1}),
    Packages(("jq", "@development")),
    Run("x", argv("x"), proof="x"),
    RunAlways("x", argv("x")),
    Symlink("/etc/x", "/y"),
    Sysctl("vm.swappiness", 1),
    Updates(),
    User("root"),
)


def asked() -> dict[str, list[tuple[Item, System]]]:
    """Give resources of each kind, one for each system that has it."""
    found: dict[str, list[tuple[Item, System]]] = {}
    for os in SYSTEMS:
        system = System(os, kernel=KERNELS[os.name], default_kernel=KERNELS[os.name])
        items = [Item("task", resource) for resource in OTHERS]
        for name in recipes.names():
            if (os.name, "x86_64") in {(source.os, source.architecture) for source in recipes.find(name).sources}:
                items += lay_out(recipes.find(name).on(os.name, "x86_64").tasks, system)
        for kind, item in {type(item.resource).__name__: item for item in reversed(items)}.items():
            found.setdefault(kind, []).append((item, system))
    return found


ASKED = asked()


def fitting(answer: Answer, names: Sequence[str]) -> Answer:
    """Give an answer that is about what was asked."""
    name = names[0].encode()
    return replace(answer, stdout=re.sub(rb"/etc/x|jq|\bx\b", lambda _: name, answer.stdout))


def understood(item: Item, answers: Sequence[Answer], system: System) -> Planned:
    questions = merge(queries([item], system))
    given = [fitting(answer, question.items) for question, answer in zip(questions, answers, strict=False)]
    return assess(item, read(questions, given), system)


def test_every_kind_of_resource_is_asked() -> None:
    kinds = {name for name in resources.__all__ if issubclass(getattr(resources, name), Resource)}
    assert ASKED.keys() >= kinds


@pytest.mark.parametrize("kind", sorted(ASKED))
@given(data=st.data())
def test_a_resource_understands_an_answer_or_says_that_it_cannot(kind: str, data: st.DataObject) -> None:
    item, system = data.draw(st.sampled_from(ASKED[kind]))
    with suppress(FactUnreadable):
        try:
            size = len(merge(queries([item], system)))
        except RecipeError:  # apt has no package groups
            return
        answers = data.draw(st.lists(ANSWERS, min_size=size, max_size=size))
        assert isinstance(understood(item, answers, system), Planned)


@given(PRINTED)
def test_facts_are_read_or_refused(answer: bytes) -> None:
    with suppress(FactUnreadable, ConfigError):
        assert isinstance(facts.parse(answer), System)


@given(PRINTED, PRINTED)
def test_a_frame_is_decoded_or_refused(stdout: bytes, stderr: bytes) -> None:
    mark = NONCE.encode()
    for out in (stdout, mark + b" begin\n" + stdout.replace(b"\x1e", mark + b" ") + mark + b" end\n"):
        with suppress(ConnectionLost, FactUnreadable):
            assert isinstance(decode(out, stderr.replace(b"\x1e", mark), NONCE), tuple)


@given(PRINTED, st.binary(max_size=9))
def test_the_end_of_a_job_is_read_or_unknown(stderr: bytes, word: bytes) -> None:
    for answer in (stderr, b"job status " + word + b"\n", b"job status " + stderr):
        assert isinstance(read_status(answer), int | None)


@given(PRINTED)
def test_what_a_job_recorded_is_read_from_any_output(output: bytes) -> None:
    text = output.decode("utf-8", "replace")
    marked = f"amiforge: recorded sha256: {text} {text}\namiforge: recorded key: {text}"
    assert all(event.url for event in (*recorded(text), *recorded(marked)))


def answering(stdout: bytes) -> FakeHost:
    host = FakeHost(lambda _script: Output(0, stdout))
    host.connect()
    return host


@given(PRINTED, st.lists(st.sampled_from(["cloud-init", "system", "boot", "machine", "failed", "host-key", "end"])))
def test_how_a_boot_went_is_read_or_refused(printed: bytes, names: list[str]) -> None:
    rows = b"".join(name.encode() + b"\t" + printed.replace(b"\n", b" ") + b"\n" for name in names)
    with suppress(FactUnreadable, CommandFailed):
        assert isinstance(condition(answering(rows), 1), Condition)


@given(PRINTED)
def test_an_inventory_is_read_whatever_it_says(printed: bytes) -> None:
    text = printed.replace(b" ", b"\t")
    with suppress(FactUnreadable):
        assert isinstance(inventory(answering(text), 1), Inventory)
    assert isinstance(inventory(answering(text + b"\nend\t\n"), 1), Inventory)
