"""From what people write to the host they mean."""

from __future__ import annotations

from pathlib import Path

from amiforge.host.base import Host
from amiforge.host.destination import Destination
from amiforge.host.local import LocalHost
from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh


def host_from(
    text: str, *, key: Path | str | None = None, host_key: str | None = None, settings: Ssh | None = None
) -> Host:
    """Give the host that `user@address`, `ssh://user@address:port`, `[user@]alias` or `local://` means.

    Args:
        text: what was written.
        key: see `SshHost`, as the next two.
        host_key: the pinned public host key.
        settings: deadlines, the way there, and whom to trust.

    Raises:
        ConfigError: the text means no host, or the key is none.
    """
    if text == "local://":
        return LocalHost()
    to = Destination.parse(text)
    return SshHost(to.address, to.user, port=to.port, key=key, host_key=host_key, settings=settings)
