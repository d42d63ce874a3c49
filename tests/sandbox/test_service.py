"""Services under a real systemd, and users on a machine of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amiforge.engine.plan import Planned
from amiforge.engine.resource import Resource
from amiforge.resources import File, KernelModule, Service, Sysctl, User
from tests.realshell import SYSTEM, ask, converge, differing
from tests.sandbox.test_machine import Launch, Login, folder, launch, root

pytestmark = pytest.mark.sandbox

__all__ = ["folder", "launch", "root"]

MACHINE = replace(SYSTEM, kernel="6.12.1")
UNIT = """[Unit]
Description=Does nothing, for ever

[Service]
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
"""


class Remote:
    """A machine's root shell."""

    def __init__(self, login: Login) -> None:
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        flags = [flag for option in options for flag in ("-o", option)]
        self.login = login
        self.within = ("ssh", "-F", "none", "-i", str(login.key), *flags, f"ec2-user@{login.address}", "sudo", "-n")

    def plan(self, resource: Resource) -> Planned:
        return ask(resource, MACHINE, within=self.within)

    def holds(self, resource: Resource, *keys: str) -> None:
        """Find exactly these keys to differ, change them, and find nothing more to do."""
        planned = self.plan(resource)
        assert differing(planned) == set(keys)
        converge(planned, within=self.within)
        assert self.plan(resource).as_wanted

    def drift(self, command: str) -> None:
        assert self.login.run(f"sudo -n {command}").returncode == 0


def test_idempotence_drift_and_restarts(root: Path, launch: Launch) -> None:
    _, login = launch(root)
    login.wait(bool)
    remote = Remote(login)
    unit, config = "/etc/systemd/system/nothing.service", "/etc/nothing.conf"
    service = Service("nothing", restart_after=(unit, config))
    off = Service("nothing", running=False, enabled=False)
    assert remote.plan(service).unknown == "nothing.service is not installed"
    assert remote.plan(off).as_wanted
    remote.holds(File(unit, UNIT), "type", "content", "owner", "group", "mode")
    remote.holds(service, "enabled", "active")
    remote.holds(File(config, "1"), "type", "content", "owner", "group", "mode")
    remote.holds(service, "configuration")
    remote.drift("systemctl disable nothing")
    remote.holds(service, "enabled")
    remote.drift("systemctl kill --signal=KILL nothing && sleep 0.2")
    assert [difference.actual for difference in remote.plan(service).differences] == ["failed"]
    remote.holds(service, "active")
    remote.holds(File(unit, UNIT.replace("nothing, for", "very little, for")), "content")
    remote.holds(service, "unit_file", "configuration")
    remote.holds(off, "active", "enabled")
    remote.drift(f"rm {unit}")
    remote.drift("systemctl daemon-reload")
    remote.holds(Service("nothing", masked=True), "masked")


def test_users_modules_and_sysctls_of_a_container(root: Path, launch: Launch) -> None:
    _, login = launch(root)
    login.wait(bool)
    remote = Remote(login)
    user = User("ec2-user", groups=("adm", "video"))
    remote.drift("gpasswd -d ec2-user video; true")
    assert "video" not in login.run("id -nG").stdout
    planned = remote.plan(user)
    assert differing(planned) == {"groups"}
    converge(planned, within=remote.within)
    assert remote.plan(user).as_wanted
    remote.holds(KernelModule("nouveau", blacklist=True, options={"modeset": "0"}), "modprobe", "dracut")
    remote.holds(KernelModule("efa", load_at_boot=True, loaded=True), "load_at_boot")
    remote.holds(Sysctl("net.core.somaxconn", 4096), "file")
