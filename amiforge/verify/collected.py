"""Checks as pytest collects them: connected at collection, since what is to be proven depends on the host."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import pytest

from amiforge.engine.events import CheckFinished
from amiforge.errors import AmiforgeError
from amiforge.host.address import host_from
from amiforge.host.base import Host
from amiforge.host.ssh_settings import Ssh
from amiforge.recipes import find
from amiforge.systems.system import System
from amiforge.verify.backend import testinfra_host
from amiforge.verify.check import Stated, read_system, stated_by


@dataclass(frozen=True, slots=True)
class Collected:
    """One check on one host; `name` is the test's."""

    name: str
    stated: Stated
    system: System

    def test(self) -> CheckFinished:
        """Find out whether it is true."""
        return self.stated.test(self.system)


class Hosts:
    """The hosts that the command line names, each connected once."""

    def __init__(self, option: Namespace) -> None:
        config = Path(option.ssh_config) if option.ssh_config else None
        self._settings = Ssh(config=config, accept_new=option.amiforge_accept_new)
        self._key = Path(option.ssh_identity_file) if option.ssh_identity_file else None
        self._names = tuple(option.hosts.split(","))
        self._open: dict[str, Host] = {}

    def connected(self) -> tuple[Host, ...]:
        """Give all of them, connected."""
        for name in self._names:
            if name not in self._open:
                host = self._open[name] = host_from(name, key=self._key, settings=self._settings)
                host.connect()
        return tuple(self._open.values())

    def close(self) -> None:
        """Close the connections."""
        for host in self._open.values():
            host.close()


def collect(hosts: Hosts, recipe: str) -> list[Collected]:
    """Give every check of a recipe on every host.

    Raises:
        CollectError: the recipe is unknown or a host cannot be asked; in our own words, without a traceback.
    """
    try:
        chosen = find(recipe)
        machines = hosts.connected()
        return [
            Collected(_name(stated, host if len(machines) > 1 else None), stated, system)
            for host in machines
            for system in (read_system(host),)
            for stated in stated_by(chosen, testinfra_host(host), system)
        ]
    except AmiforgeError as error:
        raise pytest.Collector.CollectError(error.block()) from None


def _name(stated: Stated, host: Host | None) -> str:
    name = f"{stated.task}: {stated.check.title}"
    return f"{host.address} {name}" if host else name
