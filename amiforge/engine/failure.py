"""What a failed command means: its exit status and last words as one of our errors."""

from __future__ import annotations

import re

from amiforge.engine.locks import TIMED_OUT
from amiforge.engine.resource import Change
from amiforge.errors import ChecksumMismatch, CommandFailed, LockTimeout, NoSpace, TaskError

_SHOWN_LINES = 10

#: The line that a download's script ends with when the content is not what it should be.
CHECKSUM_MISMATCH = "amiforge: checksum mismatch:"
_MISMATCH_FIX = "compare both with what the vendor publishes; `amiforge lock --update` records one changed on purpose"

# What the C library says, and dpkg, rpm, dnf and apt, who count before they begin.
_NO_SPACE = re.compile(
    r"No space left on device|(?P<read_only>Read-only file system)|Disk quota exceeded|disk full"
    r"|needs \d+.B (?:more space )?on the|needs \d+ (?:more )?inodes on the|more space needed on the"
    r"|You don't have enough free space in"
)
_ROOM_FIX = "make room, or give the builder a larger volume_gib"
_READ_ONLY_FIX = "see `dmesg` and `findmnt` on the host: after an error on its disk the kernel allows no more writing"

_LOCK_FIX = "see on the host what the holder does and let it end, or raise engine.lock_wait"

#: Exit status of a command that was killed by force.
KILLED = 137
_KILLED_FIX = "it was killed from outside, perhaps for want of memory: see `journalctl -k` on the host; apply again"

_FIXES = (
    (re.compile(r"No match for argument|Unable to find a match|Unable to locate package"), "check name and version"),
    (re.compile(r"Could not resolve host|Temporary failure in name resolution|Couldn't resolve host"), "check DNS"),
    (
        re.compile(r"SSL certificate problem|certificate (has expired|is not yet valid)|Peer's certificate"),
        "check the host's clock and its CA certificates, and what answers at that address",
    ),
    (re.compile(r"GPG check FAILED|NO_PUBKEY|not signed"), "check the repository's key"),
)


def last_lines(output: str, count: int = _SHOWN_LINES) -> str:
    """Give the last lines that say something."""
    lines = [line.rstrip() for line in output.replace("\r", "\n").splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def explain(change: Change, status: int, output: str) -> TaskError:
    """Turn a failed change into the error that says what went wrong, with the command and its last lines."""
    lines = {"ran": f"{change.command}  (exit {status})", "output": last_lines(output)}
    if TIMED_OUT in output:
        held = output.partition(TIMED_OUT)[2].strip().splitlines()[0]
        return LockTimeout(held, fix=_LOCK_FIX, **lines)
    if CHECKSUM_MISMATCH in output:
        found = output.partition(CHECKSUM_MISMATCH)[2].strip().splitlines()[0]
        return ChecksumMismatch(found, fix=_MISMATCH_FIX, **lines)
    if no_space := _NO_SPACE.search(output):
        line = next(line.strip() for line in output.splitlines() if no_space.group() in line)
        fix = _READ_ONLY_FIX if no_space["read_only"] else _ROOM_FIX
        return NoSpace(f"{change.summary}: {line}", fix=fix, **lines)
    fix = next(
        (advice for pattern, advice in _FIXES if pattern.search(output)), _KILLED_FIX if status == KILLED else ""
    )
    return CommandFailed(f"{change.summary} failed with exit status {status}", fix=fix, **lines)
