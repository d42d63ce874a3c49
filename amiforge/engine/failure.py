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

_NO_SPACE = re.compile(
    r"No space left on device|Read-only file system|Disk quota exceeded|disk full|needs \d+.B on the"
)

_FIXES = (
    (re.compile(r"No match for argument|Unable to find a match|Unable to locate package"), "check name and version"),
    (re.compile(r"Could not resolve host|Temporary failure in name resolution|Couldn't resolve host"), "check DNS"),
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
        return LockTimeout(output.partition(TIMED_OUT)[2].strip().splitlines()[0], **lines)
    if CHECKSUM_MISMATCH in output:
        found = output.partition(CHECKSUM_MISMATCH)[2].strip().splitlines()[0]
        return ChecksumMismatch(found, fix=_MISMATCH_FIX, **lines)
    if no_space := _NO_SPACE.search(output):
        line = next(line.strip() for line in output.splitlines() if no_space.group() in line)
        return NoSpace(f"{change.summary}: {line}", fix="make room, or give the builder a larger volume_gib", **lines)
    fix = next((advice for pattern, advice in _FIXES if pattern.search(output)), "")
    return CommandFailed(f"{change.summary} failed with exit status {status}", fix=fix, **lines)
