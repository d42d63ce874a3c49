from __future__ import annotations

import time

import pytest

from amiforge.bake.dead_man import disarm, renew, renewing
from amiforge.errors import CommandFailed, NotConverged, Unreachable
from amiforge.host.base import Output
from amiforge.host.fake import FakeHost


def host(output: Output) -> FakeHost:
    made = FakeHost(lambda _script: output)
    made.connect()
    return made


def test_a_renewal_says_how_many_seconds() -> None:
    builder = host(Output(0))
    renew(builder, 3600)
    assert "set -- 3600\n" in builder.scripts[0]
    with pytest.raises(CommandFailed, match="could not be renewed") as caught:
        renew(host(Output(1, b"", b"no timer is active\n")), 3600)
    assert caught.value.lines["output"] == "no timer is active\n"


def test_whatever_is_there_after_disarming_is_an_error() -> None:
    disarm(host(Output(0)))
    with pytest.raises(NotConverged) as caught:
        disarm(host(Output(0, b"/etc/systemd/system/amiforge-dead-man.timer\n")))
    assert caught.value.lines["state"] == "/etc/systemd/system/amiforge-dead-man.timer"
    with pytest.raises(CommandFailed):
        disarm(host(Output(1, b"", b"read-only")))


def test_a_switch_is_renewed_as_long_as_the_context_lasts_and_no_longer() -> None:
    made: list[FakeHost] = []
    told: list[str] = []

    def connect() -> FakeHost:
        made.append(FakeHost(lambda _script: Output(0)))
        return made[-1]

    with renewing(connect, 0.04, told.append):
        deadline = time.monotonic() + 10
        while (not made or made[0].sessions < 3) and time.monotonic() < deadline:
            time.sleep(0.01)
    sessions = made[0].sessions
    time.sleep(0.05)
    assert made[0].sessions == sessions >= 3
    assert len(made) == 1
    assert not made[0].connected
    assert told == []


def test_a_renewal_that_fails_is_told_and_tried_again_over_a_new_connection() -> None:
    told: list[str] = []
    made: list[FakeHost] = []

    class Booting(FakeHost):
        def connect(self) -> None:
            raise Unreachable("nobody answers")

    def connect() -> FakeHost:
        made.append(FakeHost(lambda _script: Output(0)) if made else Booting(lambda _script: Output(0)))
        return made[-1]

    with renewing(connect, 0.08, told.append):
        deadline = time.monotonic() + 10
        while (len(made) < 2 or not made[1].sessions) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(told) == 1
    assert told[0].endswith("unless its dead-man switch is renewed: nobody answers")


def test_an_error_inside_does_not_wait_for_the_last_renewal() -> None:
    with pytest.raises(KeyError), renewing(lambda: host(Output(0)), 3600, print):
        raise KeyError
