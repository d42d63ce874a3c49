"""What a check asks about packages, in the words of the system's own package manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.systems.system import System


def installed_version(host: TestinfraHost, system: System, package: str) -> str:
    """Give the version of an installed package without epoch and release; empty when it is not installed."""
    manager = system.os.packages
    printed = host.run("sh -c %s sh %s", manager.installed_query, package).stdout
    versions = manager.read_installed(printed, [package])[package]
    return versions[-1].rpartition(":")[2].partition("-")[0] if versions else ""


def is_installed(host: TestinfraHost, system: System, package: str) -> bool:
    """Tell whether a package is installed, in any version."""
    return bool(installed_version(host, system, package))


def is_held(host: TestinfraHost, system: System, package: str) -> bool:
    """Tell whether a package is installed, and stays at its version."""
    manager = system.os.packages
    printed = host.run("sh -c %s sh %s", manager.holds_query, package).stdout
    holds = manager.read_holds(printed, [package])[package]
    return bool(holds.held) and not holds.free
