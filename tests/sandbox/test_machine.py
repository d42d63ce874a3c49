"""Machines boot, reboot, freeze and vanish. Boots take a second or two each once the base root is cached."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from amiforge.sandbox import cgroups
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.layers import PRIVATE, freeze, run_in
from amiforge.sandbox.machine import Machine, Seed, cleanup
from amiforge.sandbox.process import Process
from amiforge.sandbox.requirements import missing_requirements
from amiforge.sandbox.root import build_root

pytestmark = pytest.mark.sandbox


@dataclass(frozen=True)
class Login:
    """The plain ssh client, as the default user, with one key."""

    address: str
    key: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        flags = [flag for option in (*options, "IdentitiesOnly=yes", "ConnectTimeout=5") for flag in ("-o", option)]
        return subprocess.run(
            ["ssh", "-F", "none", "-i", str(self.key), *flags, f"ec2-user@{self.address}", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def wait(self, accept: Callable[[str], bool], command: str = "cat /proc/sys/kernel/random/boot_id") -> str:
        """Poll until a command succeeds and its output is accepted."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            answer = self.run(command)
            if answer.returncode == 0 and accept(answer.stdout):
                return answer.stdout.strip()
            time.sleep(0.05)
        raise TimeoutError(f"ssh to {self.address}: {answer.stderr}")


def make_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()


@pytest.fixture(scope="session")
def root() -> Path:
    folder = Folder.default()
    missing = missing_requirements(folder) if os.geteuid() == 0 else ["root"]
    if missing:
        pytest.skip("the sandbox needs " + ", ".join(missing))
    return build_root(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path / "sandbox")
    yield folder
    cleanup(folder)


@dataclass
class Launch:
    """Starts machines on addresses that no other test process uses."""

    folder: Folder
    count: int = 0

    def __call__(self, *layers: Path, user_data: bytes = b"") -> tuple[Machine, Login]:
        self.count += 1
        pid = os.getpid()
        address = f"127.{64 + self.count}.{pid >> 8 & 255}.{max(pid & 255, 1)}"
        instance_id = f"i-{pid:08x}{self.count:09x}"
        key = self.folder.path / f"key{self.count}"
        key.parent.mkdir(exist_ok=True)
        seed = Seed(instance_id, f"ip-{address.replace('.', '-')}", address, user_data, (make_key(key),))
        machine = Machine.create(self.folder, instance_id, layers, seed)
        machine.start()
        return machine, Login(address, key)


@pytest.fixture
def launch(folder: Folder) -> Launch:
    return Launch(folder)


def wait_until_stopped(machine: Machine) -> None:
    deadline = time.monotonic() + 60
    while machine.state != "stopped":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes_of(machine: Machine) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if machine.instance_id in path.read_text():
                found.append(path.parent.joinpath("comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def mounts_below(path: Path) -> list[str]:
    """Look in the mount table of every process on this machine."""
    lines = []
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            lines += [line for line in table.read_text().splitlines() if str(path) in line]
        except (OSError, ProcessLookupError):
            continue
    return lines


def cgroups_of(machine: Machine) -> list[Path]:
    return [group for group in cgroups.groups(machine.instance_id) if group.exists()]


def test_machine_boots_clean_to_ssh_and_says_so(root: Path, launch: Launch) -> None:
    machine, login = launch(root, user_data=b"#!/bin/sh\necho told >/etc/user-data-ran\n")
    assert machine.state == "running"
    login.wait(bool)
    assert "status: done" in login.run("cloud-init status --wait").stdout
    assert login.run("systemctl is-system-running --wait").stdout == "running\n"
    assert login.run("systemctl --failed --no-legend").stdout == ""
    assert login.run("cat /etc/user-data-ran").stdout == "told\n"
    assert login.run("hostname").stdout.strip() == machine.hostname
    sudo = login.run("sudo -n id -u")
    assert (sudo.stdout, sudo.stderr) == ("0\n", "")
    assert "Cloud-init v." in machine.console()


def test_reboot_gives_a_new_boot_id_and_keeps_files(root: Path, launch: Launch) -> None:
    machine, login = launch(root)
    first = login.wait(bool)
    login.run("echo kept | sudo tee /etc/kept")
    login.run("sudo systemctl reboot")
    second = login.wait(lambda boot: boot.strip() != first)
    assert login.run("cat /etc/kept").stdout == "kept\n"
    machine.reboot()
    third = login.wait(lambda boot: boot.strip() not in {first, second})
    assert len({first, second, third}) == 3
    assert machine.state == "running"


def test_new_kernel_runs_after_the_reboot_and_not_before(root: Path, launch: Launch) -> None:
    _, login = launch(root)
    first = login.wait(bool)
    real = os.uname().release
    assert login.run("uname -r").stdout.strip() == real
    login.run("sudo touch /boot/vmlinuz-6.1.9-1.amzn2023.x86_64 /boot/vmlinuz-6.1.10-1.amzn2023.x86_64")
    assert login.run("uname -r").stdout.strip() == real
    assert login.run("sudo grubby --default-kernel").stdout == "/boot/vmlinuz-6.1.10-1.amzn2023.x86_64\n"
    login.run("sudo reboot")
    login.wait(lambda boot: boot.strip() != first)
    assert login.run("uname -r").stdout == "6.1.10-1.amzn2023.x86_64\n"
    everything = login.run("uname -a").stdout
    assert "6.1.10-1.amzn2023.x86_64" in everything
    assert real not in everything
    assert login.run("uname -m").stdout.strip() == os.uname().machine


def test_image_boots_with_its_files_and_a_new_identity(root: Path, folder: Folder, launch: Launch) -> None:
    machine, builder = launch(root)
    builder.wait(bool)
    identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub; hostname"
    before = builder.run(identity).stdout.splitlines()
    wipe = "cloud-init clean --logs; : >/etc/machine-id; rm -f /etc/ssh/ssh_host_*; rm -rf /home/*/.ssh"
    builder.run(f"sudo sh -c 'echo baked >/opt/baked; {wipe}; poweroff'")
    wait_until_stopped(machine)
    assert not processes_of(machine)
    freeze(machine.upper, folder.layer("ami-1"))

    copy, login = launch(folder.layer("ami-1"), *machine.layers)
    login.wait(bool)
    assert login.run("cat /opt/baked").stdout == "baked\n"
    assert "status: done" in login.run("cloud-init status --wait").stdout
    after = login.run(identity).stdout.splitlines()
    assert len(before) == len(after) == 3
    assert not set(before) & set(after)
    assert login.run("systemctl --failed --no-legend").stdout == ""
    old_key = Login(login.address, builder.key).run("true")
    assert old_key.returncode == 255
    assert "Permission denied" in old_key.stderr
    assert not (folder.layer("ami-1") / "run").exists() or not any((folder.layer("ami-1") / "run").iterdir())
    copy.stop()
    assert copy.state == "stopped"


def test_stopped_machine_starts_again_with_its_files(root: Path, launch: Launch) -> None:
    machine, login = launch(root)
    login.wait(bool)
    login.run("echo kept | sudo tee /etc/kept")
    machine.stop()
    assert machine.state == "stopped"
    assert "Powering off" in machine.console()
    assert not processes_of(machine)
    assert not cgroups_of(machine)
    machine.start()
    login.wait(bool)
    assert login.run("cat /etc/kept").stdout == "kept\n"


def test_killed_supervisor_takes_everything_along(root: Path, folder: Folder, launch: Launch) -> None:
    machine, login = launch(root)
    login.wait(bool)
    supervisor = Process.read(machine.pid_file)
    assert supervisor
    assert "systemd" in processes_of(machine)
    assert mounts_below(machine.path)
    os.kill(supervisor.pid, 9)
    wait_until_stopped(machine)
    deadline = time.monotonic() + 10
    while processes_of(machine) or mounts_below(machine.path):
        assert time.monotonic() < deadline, (processes_of(machine), mounts_below(machine.path))
        time.sleep(0.02)
    cleanup(folder)
    assert not cgroups_of(machine)
    machine.start()
    login.wait(bool)


def test_stop_right_after_start_is_heard(root: Path, launch: Launch) -> None:
    machine, _ = launch(root)
    machine.stop(timeout=30)
    assert machine.state == "stopped"
    assert "Powering off" in machine.console()


def test_machine_whose_starter_was_killed_ends_too(root: Path, folder: Folder, launch: Launch) -> None:
    machine, _ = launch(root)
    machine.kill()
    listener, started = os.pipe()
    os.close(listener)
    module = [sys.executable, "-m", "amiforge.sandbox.supervisor"]
    arguments = [str(folder.path), machine.instance_id, str(started)]
    ended = subprocess.run([*PRIVATE, *module, *arguments], pass_fds=[started], capture_output=True, check=False)
    os.close(started)
    assert b"BrokenPipeError" in ended.stderr
    assert machine.state == "stopped"
    cleanup(folder)
    assert not processes_of(machine)
    assert not cgroups_of(machine)


def test_cleanup_kills_machines_and_remove_deletes_them(root: Path, folder: Folder, launch: Launch) -> None:
    machines = [launch(root)[0] for _ in range(3)]
    cleanup(folder)
    for machine in machines:
        assert machine.state == "stopped"
        assert not processes_of(machine)
        assert not cgroups_of(machine)
        machine.remove()
    assert not mounts_below(folder.path)
    assert not list(folder.machines.iterdir())
    assert not list(folder.run.iterdir())


def test_frozen_layer_stacks_as_the_original_did(root: Path, folder: Folder) -> None:
    run_in(
        [root],
        folder.path / "upper",
        """
        rm /usr/bin/git
        rm -r /etc/dnf && mkdir /etc/dnf && echo new >/etc/dnf/only
        echo x >/opt/one && ln /opt/one /opt/two && chown 12:34 /opt/one && chmod 4711 /opt/one
        ln -s nowhere /opt/link
        """,
    )
    freeze(folder.path / "upper", folder.layer("ami-1"))
    frozen = folder.layer("ami-1")
    seen = run_in(
        [frozen, root],
        folder.path / "other",
        """
        [ ! -e /usr/bin/git ]
        ls -A /etc/dnf
        stat -c '%u:%g %a %h' /opt/two
        readlink /opt/link
        [ /opt/one -ef /opt/two ] && echo same
        """,
    )
    assert seen.splitlines() == ["only", "12:34 4711 2", "nowhere", "same"]
    assert run_in([root], folder.path / "third", "ls /usr/bin/git") == "/usr/bin/git\n"


def test_script_in_layers_sees_binds_and_leaves_nothing(root: Path, folder: Folder) -> None:
    shown = folder.path / "shown"
    shown.mkdir(parents=True)
    (shown / "file").write_text("seen\n")
    script = "cat /srv/shown/file; (sleep 300 >/dev/null 2>&1 &); echo made >/etc/made"
    assert run_in([root], folder.path / "upper", script, binds={shown: "/srv/shown"}) == "seen\n"
    assert (folder.path / "upper/etc/made").read_text() == "made\n"
    assert not mounts_below(folder.path)
    assert {path.name for path in folder.path.iterdir()} == {"shown", "upper"}


def test_killed_script_leaves_no_mount(root: Path, folder: Folder) -> None:
    upper = folder.path / "upper"
    code = (
        "from pathlib import Path; from amiforge.sandbox.layers import run_in;"
        f"run_in([Path({str(root)!r})], Path({str(upper)!r}), 'touch /started; sleep 300')"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as caller:
        deadline = time.monotonic() + 20
        while not (upper / "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert mounts_below(folder.path)
        caller.kill()
    deadline = time.monotonic() + 10
    while mounts_below(folder.path):
        assert time.monotonic() < deadline
        time.sleep(0.02)
