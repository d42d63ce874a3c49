"""What the API asks of the machines behind it; the real ones boot, those of unit tests only pretend."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from amiforge.sandbox.faults import Harm


class Machine(Protocol):
    """One machine: a file system of its own, and at most one running system on it."""

    @property
    def alive(self) -> bool:
        """Whether its system runs; a reboot does not count as an end."""

    def start(self) -> None:
        """Boot it; returns when the system has begun to run."""

    def stop(self, timeout: float) -> None:
        """Shut it down in order, and by force after `timeout` seconds; returns when it is off."""

    def reboot(self) -> None:
        """Make it reboot, and return without waiting for the end of that."""

    def kill(self) -> None:
        """Take its power away. May be called from any thread and at any time."""

    def answers(self) -> bool:
        """Whether its sshd takes connections."""

    def suffer(self, harm: Harm) -> AbstractContextManager[None]:
        """Let a harm happen, and last until the end of the context."""

    def console(self) -> str:
        """Give what it has printed on its console so far."""

    def freeze(self, image_id: str) -> None:
        """Keep its file system, as it is now, as the top layer of an image."""

    def remove(self) -> None:
        """Delete its file system and all records of it."""


class Machines(Protocol):
    """Where machines come from."""

    def create(
        self, instance_id: str, layers: tuple[str, ...], *, address: str, user_data: bytes, public_keys: tuple[str, ...]
    ) -> Machine:
        """Make a machine that is off.

        Args:
            instance_id: its name, everywhere.
            layers: names of the image layers below its own, top first.
            address: the loopback address its services listen on.
            user_data: what cloud-init gets, decoded.
            public_keys: OpenSSH public keys for the default user.
        """

    def discard(self, image_id: str) -> None:
        """Delete the layer of an image that nothing needs any more; nothing happens if there is none."""
