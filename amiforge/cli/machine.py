"""The machine that `--host` names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amiforge.cli.config import Config
from amiforge.host.address import host_from
from amiforge.host.base import Host


@contextmanager
def connected(text: str, key: Path | None, config: Config) -> Iterator[Host]:
    """Give the connected machine that `[user@]address[:port]` or `local://` means; closed at the end.

    Raises:
        ConfigError: the text means no machine, or the key is none.
        HostError: it cannot be reached or used.
    """
    host = host_from(text, key=key, settings=config.ssh)
    host.connect()
    try:
        yield host
    finally:
        host.close()
