"""What a failed command's last words are taken for."""

from __future__ import annotations

import pytest

from amiforge.engine.failure import explain, last_lines
from amiforge.engine.locks import lost_race
from amiforge.engine.resource import Change
from amiforge.errors import ChecksumMismatch, CommandFailed, LockTimeout, NoSpace, TaskError
from amiforge.shell import argv

CHANGE = Change("install jq", argv("dnf", "-y", "install", "jq"))


@pytest.mark.parametrize(
    ("output", "kind", "message"),
    [
        ("Error: Unable to find a match: jq", CommandFailed, "install jq failed with exit status 1"),
        ("cp: error writing '/x': No space left on device", NoSpace, "No space left on device"),
        ("touch: cannot touch '/x': Read-only file system", NoSpace, "Read-only file system"),
        ("amiforge: lock not free in time: /run/dnf.pid is held by dnf (pid 7) for over 3 s", LockTimeout, "pid 7"),
        ("amiforge: checksum mismatch: https://x/y: wanted sha256 a, got b", ChecksumMismatch, "wanted sha256 a"),
    ],
)
def test_known_last_words_have_their_own_error(output: str, kind: type[TaskError], message: str) -> None:
    error = explain(CHANGE, 1, f"before\n{output}\n")
    assert type(error) is kind
    assert message in error.message
    assert error.lines["ran"] == "dnf -y install jq  (exit 1)"
    assert output in error.lines["output"]


def test_only_the_last_ten_lines_are_shown_and_progress_bars_count_as_lines() -> None:
    assert last_lines("".join(f"{number}\r" for number in range(30))) == "\n".join(map(str, range(20, 30)))


@pytest.mark.parametrize(
    "output",
    [
        "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)",
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 12 (apt-get)",
        "dpkg: error: dpkg frontend lock was locked by another process with pid 12",
    ],
)
def test_a_lost_race_for_a_lock_is_recognised(output: str) -> None:
    assert lost_race(output)
    assert not lost_race("Error: Unable to find a match: jq")
