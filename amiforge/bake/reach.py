"""From a running instance to a connection to a machine that has finished booting."""

from __future__ import annotations

import time

from amiforge.bake.login import Login
from amiforge.bake.readiness import Condition, condition
from amiforge.bake.run import Run
from amiforge.ec2.instances import console
from amiforge.errors import ConnectionLost, HostError
from amiforge.host.base import Host
from amiforge.host.wait import wait_for_ssh


def reach(run: Run, login: Login, instance_id: str) -> tuple[Host, Condition]:
    """Connect to an instance and wait until its boot is finished.

    Raises:
        HostError: no connection came about in time; carries the end of the instance's console.
        CommandFailed: cloud-init failed.
    """
    host = run.means.connect(login)
    end = time.monotonic() + run.settings.reach_deadline

    def tell(seconds: float, reason: str) -> None:
        run.clients.pace.on_wait(f"{host.address} to accept us", seconds, reason)

    try:
        while True:
            wait_for_ssh(host, end - time.monotonic(), on_wait=tell)
            try:
                return host, condition(host, run.settings.reach_deadline)
            except ConnectionLost:
                # Some images reboot once by themselves.
                host.close()
    except HostError as error:
        host.close()
        raise error.add(console=console(run.clients, instance_id)) from None
