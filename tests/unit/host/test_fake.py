from __future__ import annotations

import pytest

from amiforge.errors import ConnectionLost, HostBusy
from amiforge.host.base import Host, Output
from amiforge.host.fake import FakeHost


def echo(script: str) -> Output:
    return Output(0, script.encode())


def test_is_a_host() -> None:
    host: Host = FakeHost(echo)
    assert host.address == "fake"


def test_answers_come_from_the_handler_and_scripts_are_kept() -> None:
    host = FakeHost(echo)
    host.connect()
    pieces: list[bytes] = []
    assert host.run("one", on_output=pieces.append).stdout == b"one"
    assert pieces == [b"one"]
    assert host.scripts == ["one"]
    assert (host.connections, host.sessions) == (1, 1)


def test_nothing_runs_before_connect() -> None:
    host = FakeHost(echo)
    with pytest.raises(ConnectionLost):
        host.run("one")
    assert host.sessions == 0


def test_link_dies_in_the_session_it_is_told_to_and_stays_dead_until_connect() -> None:
    host = FakeHost(echo, lose_at={2})
    host.connect()
    host.run("one")
    for script in ("two", "three"):
        with pytest.raises(ConnectionLost):
            host.run(script)
    host.connect()
    assert host.run("four").stdout == b"four"
    assert host.scripts == ["one", "two", "four"]
    assert host.connections == 2


def test_hold_gives_the_first_paragraph_and_needs_one() -> None:
    host = FakeHost(lambda _script: Output(0, b"pid 1\n\nmore"))
    host.connect()
    with host.hold("lock") as printed:
        assert printed == b"pid 1\n"
    busy = FakeHost(lambda _script: Output(1, b"", b"alice"))
    busy.connect()
    with pytest.raises(HostBusy), busy.hold("lock"):
        pass
