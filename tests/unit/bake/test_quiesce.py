from __future__ import annotations

import pytest

from amiforge.bake import quiesce as module
from amiforge.bake.quiesce import quiesce
from amiforge.engine.locks import TIMED_OUT
from amiforge.errors import CommandFailed, NotConverged
from amiforge.host.base import Output
from amiforge.host.fake import FakeHost

IDLE = Output(0)
BUSY = Output(
    75, f"an initramfs is written: dracut (pid 7)\n{TIMED_OUT} /l is held by dnf (pid 8) for over 0 s\n".encode()
)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0)


def said(*outputs: Output) -> FakeHost:
    answers = iter(outputs)
    host = FakeHost(lambda _script: next(answers))
    host.connect()
    return host


def test_rest_is_two_looks_in_a_row_that_find_nothing() -> None:
    told: list[str] = []
    host = said(IDLE, BUSY, IDLE, IDLE)
    quiesce(host, 60, lambda _seconds, what: told.append(what))
    assert host.sessions == 4
    assert told == ["an initramfs is written: dracut (pid 7); /l is held by dnf (pid 8)"]


def test_what_does_not_end_in_time_is_named() -> None:
    with pytest.raises(NotConverged, match="does not come to rest") as caught:
        quiesce(said(BUSY, BUSY), 0)
    assert caught.value.lines["state"] == "an initramfs is written: dracut (pid 7)\n/l is held by dnf (pid 8)"


def test_a_host_that_cannot_be_asked_is_not_at_rest() -> None:
    with pytest.raises(CommandFailed):
        quiesce(said(Output(127, b"", b"sh: not found")), 60)
