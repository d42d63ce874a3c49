"""A hundred mixed resources: as an amiforge task, as a pyinfra deploy, as an Ansible playbook, one step each."""

from __future__ import annotations

import json
from collections.abc import Iterator

from amiforge.engine.resource import Resource
from amiforge.resources import File, Packages, Service
from amiforge.systems.system import System
from amiforge.tasks.task import Task

#: Packages that the sandbox's repository has and its plain source image has not.
PACKAGES = (
    *("jq", "git", "htop", "tmux", "nvme-cli", "wget", "vim-enhanced", "iperf3", "gcc", "gcc14", "make", "cmake"),
    *("pciutils", "numactl", "amazon-efs-utils", "nfs-utils", "python3-pip", "environment-modules", "gnupg2-full"),
    *("parted", "hwloc", "strace", "lsof", "sysstat", "zstd", "bc", "lz4", "perl", "elfutils-libelf-devel"),
    *("lustre-client", "kernel6.12-headers", "runc", "containerd", "dkms"),
)
FILES = {
    f"/etc/bench/{number:02}.conf": f"[bench-{number:02}]\nlisten = 127.0.0.1\nport = {9000 + number}\nworkers = 4\n"
    for number in range(33)
}
UNITS = tuple(f"bench-{number:02}.service" for number in range(33))
OWNER, GROUP, MODE = "root", "adm", "0640"
COUNT = len(PACKAGES) + len(FILES) + len(UNITS)

# What is there beforehand on every machine: the units, and an sshd that writes down each session.
PREPARE = f"""
set -e
cloud-init status --wait >/dev/null
mkdir /etc/bench
echo 'LogLevel VERBOSE' >/etc/ssh/sshd_config.d/bench.conf
for unit in {" ".join(UNITS)}; do
  printf '%s\\n' '[Service]' ExecStart='/bin/sleep infinity' '[Install]' WantedBy=multi-user.target \\
    >"/etc/systemd/system/$unit"
done
systemctl daemon-reload
systemctl reload ssh
"""

# Everything that the workload is about, in one text; the same on every machine that is in the same state.
STATE = f"""
rpm -q {" ".join(PACKAGES)}
stat -c '%n %F %U %G %a' /etc/bench/*
sha256sum /etc/bench/*
systemctl show --property=Id,ActiveState,UnitFileState,NeedDaemonReload {" ".join(UNITS)}
"""

# One resource of each kind put out of its state.
DRIFT = f"""
set -e
rpm -e {PACKAGES[0]}
echo drift >>{next(iter(FILES))}
systemctl stop {UNITS[0]}
"""
DRIFTED = 3


class Workload(Task):
    """The hundred resources, none of them merged with another."""

    def resources(self, system: System) -> Iterator[Resource]:
        yield from (Packages((name,)) for name in PACKAGES)
        yield from (File(path, text, owner=OWNER, group=GROUP, mode=MODE) for path, text in FILES.items())
        yield from (Service(unit) for unit in UNITS)


def deploy() -> str:
    """Give the text of a pyinfra deploy."""
    lines = ["from io import StringIO", "from pyinfra.operations import dnf, files, systemd"]
    lines += [f"dnf.packages(packages=[{name!r}], _sudo=True)" for name in PACKAGES]
    lines += [
        f"files.put(src=StringIO({text!r}), dest={path!r}, user={OWNER!r}, group={GROUP!r}, mode={MODE!r}, _sudo=True)"
        for path, text in FILES.items()
    ]
    lines += [f"systemd.service(service={unit!r}, running=True, enabled=True, _sudo=True)" for unit in UNITS]
    return "\n".join([*lines, ""])


def playbook() -> str:
    """Give the text of an Ansible playbook; JSON is YAML."""
    metadata = {"owner": OWNER, "group": GROUP, "mode": MODE}
    packages = [{"ansible.builtin.dnf": {"name": name, "state": "present"}} for name in PACKAGES]
    files = [{"ansible.builtin.copy": {"dest": path, "content": text, **metadata}} for path, text in FILES.items()]
    units = [{"ansible.builtin.systemd_service": {"name": u, "state": "started", "enabled": True}} for u in UNITS]
    play = {"hosts": "all", "become": True, "tasks": [*packages, *files, *units]}
    return json.dumps([play], indent=1) + "\n"
