"""A script's way to a root shell, and its output's way back, through whatever a login shell adds to both.

The login shell only starts `sh -c`, whose text no shell family reads differently. That starts the root shell, which
marks the beginning of its output, reads the script from its standard input and runs it. When it has ended, in whatever
way, the first shell marks the end together with the exit status. So we tell apart a script that failed, a sudo that
refused and a link that died, and neither a chatty `.bashrc` nor a daemon that keeps our pipe open disturbs us.
"""

from __future__ import annotations

import re
import secrets
import shlex
from typing import Literal

from amiforge.errors import AmiforgeError, HostBusy, NoSpace, SudoRefused
from amiforge.host.base import Output
from amiforge.shell import PRELUDE

Stream = Literal["stdout", "stderr"]

#: sh text that ends the process group of a shell, given its process id. (Debian 12's dash refuses `kill -KILL -- -1`.)
KILL_GROUP_OF = """
read -r pid name state parent group rest </proc/{}/stat || exit 0
kill -TERM "-$group"
sleep 1
kill -KILL "-$group" 2>/dev/null
"""

#: Exit status of a held script that cannot write what it should hold; `EX_CANTCREAT` of sysexits.
CANNOT_WRITE = 73


class Envelope:
    """One script on its way: the command line to start, what to send to it, and what came back so far.

    Args:
        script: sh text.
        sudo: get to root with `sudo -n`; otherwise the login user is root.
    """

    def __init__(self, script: str, *, sudo: bool) -> None:
        nonce = f"amiforge-{secrets.token_hex(12)}"
        # A compound command runs only when all of it has come, so a link that dies on the way leaves nothing half
        # done. Not one byte more than that is read: what follows on standard input belongs to the script.
        text = f"{{ :\n{PRELUDE}cd /\n{script}\n}}\n"
        self.payload = text.encode("utf-8", "surrogateescape")
        inner = f'echo {nonce} begin $$; echo {nonce} begin $$ >&2; eval "$(head -c {len(self.payload)})"'
        root_shell = f"{'sudo -n ' if sudo else ''}sh -c {shlex.quote(inner)}"
        outer = f"{root_shell}; s=$?; echo {nonce} end $s; echo {nonce} end $s >&2"
        self.argv = ("sh", "-c", outer)
        self._streams = {"stdout": _Marked(nonce.encode()), "stderr": _Marked(nonce.encode())}

    @property
    def command(self) -> str:
        """What the login shell is asked to run."""
        return shlex.join(self.argv)

    def feed(self, stream: Stream, data: bytes) -> bytes:
        """Take a piece that came back; gives the part of it, and of what was held back, that the script wrote."""
        return self._streams[stream].feed(data)

    @property
    def begun(self) -> bool:
        """Whether the root shell came up."""
        return self._streams["stdout"].pid is not None

    @property
    def ended(self) -> bool:
        """Whether all has come that ever will."""
        return all(stream.status is not None for stream in self._streams.values())

    @property
    def pid(self) -> int:
        """Process id of the root shell; 0 before it came up."""
        return self._streams["stdout"].pid or 0

    @property
    def output(self) -> Output:
        """What the script left behind, once it has ended."""
        stdout, stderr = self._streams["stdout"], self._streams["stderr"]
        return Output(stdout.status or 0, bytes(stdout.own), bytes(stderr.own))

    @property
    def noise(self) -> str:
        """What was said on both streams before the root shell came up: why it did not, if it did not."""
        said = self._streams["stdout"].noise + self._streams["stderr"].noise
        return said.decode("utf-8", "replace").strip()

    @property
    def paragraph(self) -> bytes | None:
        """What the script printed up to its first empty line; None until it has printed one."""
        return first_paragraph(bytes(self._streams["stdout"].own))


def first_paragraph(printed: bytes) -> bytes | None:
    """Give what was printed up to the first empty line; None where there is no empty line."""
    end = (b"\n" + printed).find(b"\n\n")
    return None if end < 0 else printed[:end]


def sudo_refused(envelope: Envelope, address: str) -> SudoRefused:
    """Give the error for a script that ended before its root shell came up."""
    return SudoRefused(
        f"sudo on {address} does not give us a root shell",
        said=envelope.noise,
        fix="let the login user run anything without a password: `USER ALL=(ALL) NOPASSWD:ALL` in /etc/sudoers.d",
    )


def busy(output: Output, address: str) -> AmiforgeError:
    """Give the error for a held script that ended before its empty line; its standard error says why, or who is there.

    Its status is `CANNOT_WRITE` where it could not write its lock, and anything else where the lock is taken.
    """
    said = output.stderr.decode("utf-8", "replace").strip()
    if output.status == CANNOT_WRITE:
        return NoSpace(f"{address} has no room for amiforge's lock", said=said, fix="make room in /run on the host")
    return HostBusy(f"{address} is in use by another amiforge", holder=said, fix="wait for the other one, or end it")


class _Marked:
    """One stream: noise, begin mark, the script's own output, end mark, anything."""

    def __init__(self, nonce: bytes) -> None:
        self.noise = bytearray()
        self.own = bytearray()
        self.pid: int | None = None
        self.status: int | None = None
        self._nonce = nonce
        self._mark = re.compile(re.escape(nonce) + rb" (begin|end) (\d+)\n")
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        before = len(self.own)
        self._rest += data
        while self.status is None and (mark := self._mark.search(self._rest)):
            self._keep(mark.start())
            self._rest = self._rest[len(mark[0]) :]
            if mark[1] == b"begin":
                self.pid = int(mark[2])
            else:
                self.status = int(mark[2])
        if self.status is None:
            self._keep(self._decided())
        return bytes(self.own[before:])

    def _keep(self, end: int) -> None:
        (self.noise if self.pid is None else self.own).extend(self._rest[:end])
        self._rest = self._rest[end:]

    def _decided(self) -> int:
        """Give where a mark may begin whose end has not come yet."""
        for start in range(max(0, len(self._rest) - len(self._nonce) - _MARK_TAIL), len(self._rest)):
            tail = self._rest[start:]
            if self._nonce.startswith(tail) or (tail.startswith(self._nonce) and b"\n" not in tail):
                return start
        return len(self._rest)


#: No mark has more bytes after its nonce: " begin ", ten digits and a newline.
_MARK_TAIL = 20
