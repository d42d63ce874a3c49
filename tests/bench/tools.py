"""The tools side by side: how each is started on the workload, and how each says what it changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.bench.machine import Machine
from tests.bench.process import Finished, timed
from tests.bench.workload import deploy, playbook

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tool finds the machine: directly, or through a forwarder that delays."""

    machine: Machine
    address: str
    port: int = 22


@dataclass(frozen=True)
class Tool(ABC):
    """A tool that applies the workload. `folder` is the bench's own; its `venv` has the peers."""

    folder: Path
    name: ClassVar[str]

    @abstractmethod
    def command(self, place: Place, scratch: Path) -> Sequence[str | Path]:
        """Give the command that applies the workload; `scratch` is a folder for this run alone."""

    @abstractmethod
    def changed(self, output: str) -> int:
        """Read from its output how many resources it changed."""

    def environment(self, scratch: Path) -> dict[str, str]:
        """Give the environment it runs in: nothing of this user's configuration."""
        return {"PATH": os.environ["PATH"], "HOME": str(scratch), "LC_ALL": "C.UTF-8"}

    def run(self, place: Place) -> Finished:
        """Apply the workload, from the start of the process to its end."""
        # not below the bench's folder: the path of an ssh control socket must stay under 108 characters
        with tempfile.TemporaryDirectory(prefix="amiforge-bench-") as name:
            scratch = Path(name)
            (scratch / "known_hosts").write_text(f"{_known(place)} {place.machine.host_key}\n")
            words = self.command(place, scratch)
            try:
                return timed(words, environment=self.environment(scratch), folder=REPOSITORY)
            finally:
                self.leave(scratch)

    def leave(self, scratch: Path) -> None:  # noqa: B027 - most tools leave nothing
        """End what a run leaves behind on this machine."""


class Amiforge(Tool):
    """We ourselves."""

    name = "amiforge"

    def command(self, place: Place, scratch: Path) -> Sequence[str | Path]:
        to = (place.address, str(place.port), place.machine.cloud.key, place.machine.host_key)
        return [sys.executable, "-m", "tests.bench.apply", *to]

    def changed(self, output: str) -> int:
        return int(json.loads(output.splitlines()[-1])["changed"])


class Pyinfra(Tool):
    """pyinfra, asked no questions."""

    name = "pyinfra"

    def command(self, place: Place, scratch: Path) -> Sequence[str | Path]:
        login = {
            "ssh_user": "ec2-user",
            "ssh_port": place.port,
            "ssh_key": str(place.machine.cloud.key),
            "ssh_known_hosts_file": str(scratch / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
        }
        (scratch / "inventory.py").write_text(f"hosts = [({place.address!r}, {login!r})]\n")
        (scratch / "deploy.py").write_text(deploy())
        return [self.folder / "venv/bin/pyinfra", "-y", scratch / "inventory.py", scratch / "deploy.py"]

    def changed(self, output: str) -> int:
        return pyinfra_changed(output)


class Ansible(Tool):
    """Ansible with pipelining and a fixed interpreter; facts are gathered and connections kept, as by default."""

    name = "Ansible"

    def environment(self, scratch: Path) -> dict[str, str]:
        ours = {
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch / "cp"),
            "ANSIBLE_SSH_COMMON_ARGS": f"-F none -o UserKnownHostsFile={scratch / 'known_hosts'}",
        }
        return {**super().environment(scratch), **ours}

    def command(self, place: Place, scratch: Path) -> Sequence[str | Path]:
        login = {
            "ansible_host": place.address,
            "ansible_port": place.port,
            "ansible_user": "ec2-user",
            "ansible_ssh_private_key_file": str(place.machine.cloud.key),
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        (scratch / "inventory.json").write_text(json.dumps({"all": {"hosts": {"machine": login}}}))
        (scratch / "playbook.yml").write_text(playbook())
        program = self.folder / "venv/bin/ansible-playbook"
        return [program, "-i", scratch / "inventory.json", scratch / "playbook.yml"]

    def changed(self, output: str) -> int:
        return ansible_changed(output)

    def leave(self, scratch: Path) -> None:
        """End the connection that stays open for a minute."""
        for socket in (scratch / "cp").glob("*"):
            end = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "machine"]
            subprocess.run(end, capture_output=True, check=False)


def ansible_changed(output: str) -> int:
    """Read the recap of a play; every task must have succeeded.

    Raises:
        ValueError: there is none, or something failed.
    """
    recap = re.search(r"ok=\d+\s+changed=(\d+)\s+unreachable=0\s+failed=0\s+skipped=0", output)
    if not recap:
        raise ValueError(f"Ansible did not finish its play:\n{output[-2000:]}")
    return int(recap[1])


def pyinfra_changed(output: str) -> int:
    """Read the grand total of a deploy's table: operations, changed, failed, unchanged; none may have failed.

    Raises:
        ValueError: there is none, or something failed.
    """
    total = re.search(r"Grand total\s+\d+\s+(\d+|-)\s+-\s+(?:\d+|-)\s*$", output, re.MULTILINE)
    if not total:
        raise ValueError(f"pyinfra did not finish its deploy:\n{output[-2000:]}")
    return 0 if total[1] == "-" else int(total[1])


def prepare_peers(folder: Path) -> str:
    """Install the peers into a virtual environment of their own, once, and give their versions."""
    place = folder / "venv"
    if not (place / "bin/ansible-playbook").exists():
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin/pip", "install", "--quiet", "pyinfra", "ansible-core"], check=True)
    pyinfra = _first_line(place / "bin/pyinfra", "--version")
    ansible = _first_line(place / "bin/ansible", "--version")
    packer = f"Packer {_first_line('packer', '--version')}" if shutil.which("packer") else "no Packer"
    return f"{pyinfra}, {ansible}, {packer}"


def _first_line(*words: str | Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0]


def _known(place: Place) -> str:
    return place.address if place.port == 22 else f"[{place.address}]:{place.port}"
