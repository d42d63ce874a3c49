"""What people write for an ssh server: `[user@]address[:port]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from amiforge.errors import ConfigError

# No part begins with a dash, so none is ever taken for an option of a command that it is handed to.
_WRITTEN = re.compile(
    r"(ssh://)?(?:(?P<user>[A-Za-z0-9_][\w.-]*)@)?(?P<address>\[[0-9a-fA-F:.%\w]+\]|[A-Za-z0-9_][\w.-]*)(?::(?P<port>\d{1,5}))?/?",
    re.ASCII,
)
_HIGHEST_PORT = 65_535
#: The port that nobody writes.
SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Destination:
    """A server as it was written; user and port are empty where they were left out."""

    address: str
    user: str = ""
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[user@]address[:port]`, with or without `ssh://`; an IPv6 address stands in brackets.

        Raises:
            ConfigError: the text means no server.
        """
        match = _WRITTEN.fullmatch(text)
        if match is None or int(match["port"] or 1) not in range(1, _HIGHEST_PORT + 1):
            raise ConfigError(
                f"not a host: {_without_password(text)!r}",
                fix="write user@address, ssh://user@address:port, or local:// for this machine",
            )
        return cls(match["address"].strip("[]"), match["user"] or "", int(match["port"]) if match["port"] else None)

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        shown = f"{self.user}@{address}" if self.user else address
        return shown if self.port is None else f"{shown}:{self.port}"


def jumps(text: str) -> tuple[Destination, ...]:
    """Read jump hosts as ssh's `-J` takes them, in the order in which they are visited; `none` and empty are none.

    Raises:
        ConfigError: one of them means no server.
    """
    if text.strip().lower() in {"", "none"}:
        return ()
    return tuple(Destination.parse(each.strip()) for each in text.split(","))


def known_name(host: str, port: int) -> str:
    """Give the name under which known_hosts keeps a server."""
    return host if port == SSH_PORT else f"[{host}]:{port}"


def _without_password(text: str) -> str:
    return re.sub(r":[^:@/]*@", ":…@", text)
