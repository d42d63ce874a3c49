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
        ("  installing package jq needs 5MB more space on the / filesystem", NoSpace, "more space on the / filesystem"),
        ("  installing package jq needs 3 more inodes on the / filesystem", NoSpace, "more inodes"),
        ("At least 5MB more space needed on the /boot filesystem.", NoSpace, "/boot"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", NoSpace, "/var/cache/apt"),
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


@pytest.mark.parametrize(
    ("output", "status", "says"),
    [
        ("tee: /x: Read-only file system", 1, "dmesg"),
        ("tee: /x: No space left on device", 1, "volume_gib"),
        ("amiforge: lock not free in time: /x is held by dnf (pid 7) for over 3 s", 75, "engine.lock_wait"),
        ("curl: (60) SSL certificate problem: certificate has expired", 1, "clock"),
        ("", 137, "journalctl -k"),
    ],
)
def test_what_to_do_depends_on_what_went_wrong(output: str, status: int, says: str) -> None:
    assert says in explain(CHANGE, status, output).lines["fix"]


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
