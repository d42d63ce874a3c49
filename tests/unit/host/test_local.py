from __future__ import annotations

import time
from pathlib import Path

import pytest

from amiforge.errors import CommandTimedOut, HostBusy
from amiforge.host.base import Host
from amiforge.host.local import LocalHost

pytestmark = pytest.mark.subprocesses


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    # Whoever runs the tests need not be allowed to use sudo.
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return LocalHost()


def test_script_runs_with_its_status_and_both_streams(host: Host) -> None:
    output = host.run("echo out; echo err >&2; exit 3")
    assert (output.status, output.stdout, output.stderr) == (3, b"out\n", b"err\n")


def test_output_is_told_as_it_comes(host: Host) -> None:
    pieces: list[tuple[bytes, float]] = []
    host.run("echo one; sleep 0.3; echo two", on_output=lambda piece: pieces.append((piece, time.monotonic())))
    assert [piece for piece, _ in pieces] == [b"one\n", b"two\n"]
    assert pieces[1][1] - pieces[0][1] > 0.2


def test_flood_on_both_streams_and_a_long_script_arrive_whole(host: Host) -> None:
    size = 2**20
    output = host.run(f"head -c {size} /dev/zero >&2 & head -c {size} /dev/zero; wait\n: '{'x' * size}'\n")
    assert (len(output.stdout), len(output.stderr)) == (size, size)


def test_script_out_of_time_is_killed(host: Host, tmp_path: Path) -> None:
    with pytest.raises(CommandTimedOut):
        host.run(f"sleep 0.5; touch {tmp_path}/woke", timeout=0.1)
    time.sleep(0.6)
    assert not (tmp_path / "woke").exists()


def test_daemon_that_keeps_the_pipe_open_keeps_nobody_waiting(host: Host) -> None:
    started = time.monotonic()
    assert host.run("sleep 3 & echo started").stdout == b"started\n"
    assert time.monotonic() - started < 2


def test_held_script_lives_until_its_input_ends(host: Host, tmp_path: Path) -> None:
    with host.hold(f"echo here; echo; cat; touch {tmp_path}/released") as printed:
        assert printed == b"here\n"
        assert not (tmp_path / "released").exists()
    assert (tmp_path / "released").exists()


def test_held_script_that_ends_early_is_a_busy_host(host: Host) -> None:
    with pytest.raises(HostBusy) as busy, host.hold("echo somebody >&2; exit 1"):
        pass
    assert busy.value.lines["holder"] == "somebody"
