"""From what people write to the host they mean."""

from __future__ import annotations

import re
from pathlib import Path

from amiforge.errors import ConfigError
from amiforge.host.base import Host
from amiforge.host.local import LocalHost
from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh

_SSH = re.compile(
    r"(ssh://)?(?:(?P<user>[A-Za-z0-9_][\w.-]*)@)?(?P<address>\[[0-9a-fA-F:.%\w]+\]|[A-Za-z0-9_][\w.-]*)(?::(?P<port>\d{1,5}))?/?",
    re.ASCII,
)
_HIGHEST_PORT = 65_535


def host_from(
    text: str, *, key: Path | str | None = None, host_key: str | None = None, settings: Ssh | None = None
) -> Host:
    """Give the host that `user@address`, `ssh://user@address:port`, `[user@]alias` or `local://` means.

    Args:
        text: what was written.
        key: see `SshHost`, as the next two.
        host_key: the pinned public host key.
        settings: deadlines, and whom to trust.

    Raises:
        ConfigError: the text means no host, or the key is none.
    """
    if text == "local://":
        return LocalHost()
    match = _SSH.fullmatch(text)
    if match is None or int(match["port"] or 1) not in range(1, _HIGHEST_PORT + 1):
        raise ConfigError(
            f"not a host: {_without_password(text)!r}",
            fix="write user@address, ssh://user@address:port, or local:// for this machine",
        )
    address = match["address"].strip("[]")
    port = int(match["port"]) if match["port"] else None
    return SshHost(address, match["user"] or "", port=port, key=key, host_key=host_key, settings=settings)


def _without_password(text: str) -> str:
    return re.sub(r":[^:@/]*@", ":…@", text)
