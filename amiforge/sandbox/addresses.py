"""Loopback addresses for machines: 127.1.N.1 to 127.1.N.253, with a block N for each sandbox on this machine."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock

from amiforge.errors import SandboxUnavailable

_SSH = 22
_BLOCKS = range(255)  # the last block is the mirror's
_HOSTS = range(1, 254)
_LEASE_HOST, _LEASE_PORT = 254, 22022


class Addresses:
    """The addresses of one sandbox. Its block is leased by a listening socket, which ends with this process.

    An address is not given again before all others of the block were, so that no client takes a new machine for an
    old one.

    Raises:
        SandboxUnavailable: every block is in use.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: set[str] = set()
        self._last = 0
        self._block, self._lease = _lease()

    def take(self) -> str:
        """Give an address nobody else uses.

        Raises:
            SandboxUnavailable: there is none left.
        """
        with self._lock:
            for step in range(len(_HOSTS)):
                host = _HOSTS[(self._last + step) % len(_HOSTS)]
                address = f"127.1.{self._block}.{host}"
                if address not in self._taken and not _answers(address):
                    self._last = host
                    self._taken.add(address)
                    return address
        raise SandboxUnavailable(
            f"all {len(_HOSTS)} addresses for machines are in use", fix="terminate instances that are not needed"
        )

    def give_back(self, address: str) -> None:
        """Say that an address is free again."""
        with self._lock:
            self._taken.discard(address)

    def close(self) -> None:
        """End the lease."""
        self._lease.close()


def _lease() -> tuple[int, socket.socket]:
    for block in _BLOCKS:
        lease = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        lease.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            lease.bind((f"127.1.{block}.{_LEASE_HOST}", _LEASE_PORT))
            lease.listen(1)
            return block, lease
        lease.close()
    raise SandboxUnavailable(
        f"{len(_BLOCKS)} sandboxes run on this machine", fix="take one down: amiforge sandbox down"
    )


def _answers(address: str) -> bool:
    """Whether an sshd is there already: a machine of a sandbox that has lost its server."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((address, _SSH)) == 0
