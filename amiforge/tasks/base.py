"""Kernel parameters and limits that fast networks and large clusters want."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from amiforge.resources import File, KernelModule, SysctlFile
from amiforge.resources.sysctl import parameter, parameter_value
from amiforge.tasks.task import Check, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_SYSCTL_FILE = "/etc/sysctl.d/60-amiforge.conf"
_LIMITS = "/etc/security/limits.d/60-amiforge.conf"
_MANAGER = "/etc/systemd/system.conf.d/60-amiforge.conf"

# Buffers for 100 Gbit/s; a neighbour table for thousands of nodes, as aws-parallelcluster-cookbook has it; inotify for
# many containers, as amazon-eks-ami has it. TCP timestamps stay on: without them, there is no protection against
# wrapped sequence numbers.
_PARAMETERS: Mapping[str, str | int] = {
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
    "net.core.rmem_max": 67108864,
    "net.core.wmem_max": 67108864,
    "net.ipv4.neigh.default.gc_thresh1": 0,
    "net.ipv4.neigh.default.gc_thresh2": 15360,
    "net.ipv4.neigh.default.gc_thresh3": 16384,
    "net.ipv4.tcp_rmem": "4096 87380 67108864",
    "net.ipv4.tcp_wmem": "4096 65536 67108864",
}

_CONGESTION = "net.ipv4.tcp_congestion_control"
_QUEUE = "net.core.default_qdisc"


def _parameters(given: dict[str, str | int]) -> dict[str, str | int]:
    return {parameter(key): value if value == "" else parameter_value(value) for key, value in given.items()}


class Base(Task):
    """Kernel parameters for fast networks and large clusters, and limits for RDMA.

    Parameters go into /etc/sysctl.d/60-amiforge.conf, which the distribution's own files do not override, and into the
    running kernel. BBR is chosen only where the kernel that boots has its module: a name that the kernel does not know
    would be refused at every boot. `ip_forward` is left to whoever routes: container runtimes turn it on themselves.
    """

    congestion_control: Literal["bbr", "cubic", "keep"] = Field(
        "bbr", description="TCP congestion control; bbr is cubic where the kernel lacks it, keep touches nothing"
    )
    sysctl: Annotated[dict[str, str | int], AfterValidator(_parameters)] = Field(
        {}, description="kernel parameters besides ours or instead of them; an empty value leaves one of ours alone"
    )
    limits: bool = Field(True, description="no limit to locked memory, and a million open files")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the module of the congestion control, the parameters, and the limits of logins and services."""
        if self._congestion(system) == "bbr":
            yield KernelModule("tcp_bbr", load_at_boot=True)
        if wanted := self._wanted(system):
            yield SysctlFile("amiforge", wanted)
        if self.limits:
            yield File(_LIMITS, source="base/limits.conf")
            yield File(_MANAGER, source="base/manager.conf")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the parameters, in the kernel where it is the machine's own, the module, and the limits."""
        for key, value in self._wanted(system).items():
            yield Check(f"kernel parameter {key} is {value}", value, partial(_parameter, host, system, key))
        if self._congestion(system) == "bbr":
            loaded = "/etc/modules-load.d/amiforge-tcp_bbr.conf"
            yield Check("tcp_bbr is loaded at boot", "tcp_bbr\n", lambda: host.file(loaded).content_string)
        if self.limits:
            memlock = partial(_locked_memory, host, system)
            yield Check("a login may lock all memory", "unlimited", memlock)

    def _congestion(self, system: System) -> str:
        """Give what is really chosen; a kernel that nobody could ask counts as complete."""
        has_bbr = not system.kernel or "tcp_bbr" in system.modules
        return "cubic" if self.congestion_control == "bbr" and not has_bbr else self.congestion_control

    def _wanted(self, system: System) -> dict[str, str]:
        congestion = self._congestion(system)
        chosen = {} if congestion == "keep" else {_CONGESTION: congestion}
        if congestion == "bbr" and (not system.kernel or "sch_fq" in system.modules):
            chosen[_QUEUE] = "fq"
        values = {**_PARAMETERS, **chosen, **self.sysctl}
        return {key: str(value) for key, value in sorted(values.items()) if value != ""}


def _parameter(host: TestinfraHost, system: System, key: str) -> str:
    """Give a parameter's value: the kernel's, and in a container, whose kernel is its host's, the file's."""
    if not system.container:
        return _words(host.check_output("sysctl -n %s", key))
    lines: list[str] = host.file(_SYSCTL_FILE).content_string.splitlines()
    return dict(line.split(" = ", 1) for line in lines).get(key, "")


def _locked_memory(host: TestinfraHost, system: System) -> str:
    """Give the limit of a new login; of a container, which cannot exceed its host's limits, what the file says."""
    if not system.container:
        return _words(host.check_output("sudo -n su - %s -c 'ulimit -l'", system.os.default_user))
    lines: list[str] = host.file(_LIMITS).content_string.splitlines()
    return dict(line.split()[-2:] for line in lines if line.startswith("* -")).get("memlock", "")


def _words(printed: str) -> str:
    return " ".join(printed.split())
