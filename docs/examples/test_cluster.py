"""What our cluster needs of its nodes besides what the recipe says."""

from __future__ import annotations

from testinfra.host import Host

from amiforge import Recipe
from amiforge.systems.system import System
from amiforge.tasks.nvidia_driver import NvidiaDriver


def test_ssh_starts_with_the_machine(host: Host) -> None:
    assert host.service("sshd").is_enabled or host.service("ssh").is_enabled


def test_homes_are_on_the_root_volume(host: Host) -> None:
    assert not host.mount_point("/home").exists


def test_driver_is_the_recipes(host: Host, recipe: Recipe, system: System) -> None:
    driver = recipe.task("nvidia_driver")
    assert isinstance(driver, NvidiaDriver)
    kernel = system.default_kernel or system.kernel
    assert host.check_output("modinfo -k %s -F version nvidia", kernel) == str(driver.version)
