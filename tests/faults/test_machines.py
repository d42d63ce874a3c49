"""Faults that take a whole machine: its power, its disk and its package manager, all of them real."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from amiforge.engine.apply import apply
from amiforge.engine.events import Event, JobOutput
from amiforge.errors import CommandFailed, FactUnreadable, NoSpace, UnexpectedReboot
from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh
from amiforge.host.wait import wait_for_ssh
from amiforge.resources.packages import Packages
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.machine import Machine, Seed, cleanup
from amiforge.sandbox.root import build_root
from amiforge.settings import EngineSettings
from tests.unit.engine.test_apply import Note, Notes

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
SETTINGS = EngineSettings(lock_wait=10, link_wait=60)
RELEASES = {"debian-rpm": b'ID="amzn"\nVERSION_ID="2023"\n', "debian-apt": b'ID="ubuntu"\nVERSION_ID="24.04"\n'}
USERS = {"debian-rpm": "ec2-user", "debian-apt": "ubuntu"}
#: A scriptlet that lets us kill a transaction in its middle.
LINGER = "[ ! -e /etc/linger ] || { : >/etc/lingers; sleep 60; }"

SPEC = """
Name: {name}
Version: {version}
Release: 1
Summary: for a test
License: none
BuildArch: noarch
AutoReqProv: no
Provides: /bin/sh
{requires}
%description
For a test.
%install
mkdir -p %{{buildroot}}/opt
head -c {size} /dev/urandom >%{{buildroot}}/opt/{name}-{version}
%{scriptlet}
{text}
%files
/opt/{name}-{version}
"""


@dataclass
class Booted:
    """A machine, and two connections to it."""

    machine: Machine
    host: SshHost
    other: SshHost


@contextmanager
def booted(
    work: Path, base: str, *, size: str = "", files: Mapping[str, bytes] = MappingProxyType({})
) -> Iterator[Booted]:
    """Boot a machine on which these files are; `size` limits its disk."""
    folder = Folder(work / "sandbox")
    folder.path.mkdir()
    if size:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder.path)], check=True)
    key = work / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    address = f"127.90.{os.getpid() >> 8 & 255}.{max(os.getpid() & 255, 1)}"
    name = f"i-{os.getpid():08x}fa"
    seed = Seed(name, "faulty", address, b"", (key.with_suffix(".pub").read_text().strip(),))
    machine = Machine.create(folder, name, (build_root(Folder.default(), base),), seed)
    for name, content in {"etc/os-release": RELEASES[base], **files}.items():
        (machine.upper / name).parent.mkdir(parents=True, exist_ok=True)
        (machine.upper / name).write_bytes(content)
    (work / "ssh_config").touch()
    settings = Ssh(config=work / "ssh_config", known_hosts=work / "known_hosts", accept_new=True, silence=3)
    host, other = (SshHost(address, USERS[base], key=key, settings=settings) for _ in range(2))
    try:
        machine.start()
        wait_for_ssh(host, 60)
        host.run("cloud-init status --wait >/dev/null")
        other.connect()
        yield Booted(machine, host, other)
    finally:
        host.close()
        other.close()
        cleanup(folder)
        if size:
            subprocess.run(["umount", "-l", str(folder.path)], check=True)


def rpm(work: Path, name: str, *, version: str = "1", requires: str = "", lingers: str = "", size: int = 9) -> Path:  # noqa: PLR0913 - one thing each about a package
    """Build a package; in the scriptlet `lingers` it stays as long as /etc/linger is there."""
    spec = work / f"{name}-{version}.spec"
    needs = f"Requires: {requires}" if requires else ""
    text = {"name": name, "version": version, "requires": needs, "size": size}
    spec.write_text(SPEC.format(**text, scriptlet=lingers or "post", text=LINGER if lingers else ":"))
    top = ("--define", f"_topdir {work}")
    subprocess.run(["rpmbuild", "-bb", "--quiet", *top, str(spec)], check=True, capture_output=True)
    return work / "RPMS/noarch" / f"{name}-{version}-1.noarch.rpm"


def repository(*packages: Path) -> dict[str, bytes]:
    """Give the files of a repository of these packages, and of its configuration."""
    folder = packages[0].parent
    subprocess.run(["createrepo_c", "-q", str(folder)], check=True)
    found = {f"srv/test/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    text = "[test]\nname=test\nbaseurl=file:///srv/test\ngpgcheck=0\nmetadata_expire=0\n"
    settings = b"[main]\ngpgcheck=0\nplugins=0\n"
    return {**found, "etc/yum.repos.d/test.repo": text.encode(), "etc/dnf/dnf.conf": settings}


def once(word: str, then: Callable[[], object]) -> Callable[[Event], None]:
    """Give a listener that does something when a job's output has a word in it."""
    printed = ""
    begun = threading.Event()

    def listen(event: Event) -> None:
        nonlocal printed
        printed += event.text if isinstance(event, JobOutput) else ""
        if word in printed and not begun.is_set():
            begun.set()
            threading.Thread(target=then).start()

    return listen


def killed(made: Booted, packages: Packages) -> CommandFailed:
    """Apply, and kill the transaction with all that belongs to it while a scriptlet lingers."""
    wait = "until [ -e /etc/lingers ]; do sleep 0.1; done"
    kill = f"{wait}; systemctl kill --signal=KILL 'amiforge-job-*'; rm /etc/linger"
    made.other.run("touch /etc/linger")
    killer = threading.Thread(target=made.other.run, args=(kill,), kwargs={"timeout": 50})
    killer.start()
    with pytest.raises(CommandFailed) as error:
        apply(made.host, [Notes(packages)], settings=SETTINGS)
    killer.join()
    return error.value


@pytest.mark.fault("package transaction killed")
def test_killed_rpm_transaction_is_finished_by_the_next_apply(tmp_path: Path) -> None:
    files = repository(rpm(tmp_path, "early"), rpm(tmp_path, "late", requires="early", lingers="pre"))
    with booted(tmp_path, "debian-rpm", files=files) as made:
        wanted = Packages(("late",))
        error = killed(made, wanted)
        assert "137" in error.message
        assert "killed" in error.lines["fix"]
        assert made.host.run("rpm -q early").status == 0
        assert made.host.run("rpm -q late").status != 0
        assert apply(made.host, [Notes(wanted)], settings=SETTINGS).changed == 1
        assert apply(made.host, [Notes(wanted)], settings=SETTINGS).changed == 0


@pytest.mark.nightly
@pytest.mark.fault("package transaction killed")
def test_killed_rpm_upgrade_that_left_two_versions_says_how_to_repair(tmp_path: Path) -> None:
    files = repository(rpm(tmp_path, "twice"), rpm(tmp_path, "twice", version="2", lingers="post"))
    with booted(tmp_path, "debian-rpm", files=files) as made:
        apply(made.host, [Notes(Packages({"twice": "1"}))], settings=SETTINGS)
        killed(made, Packages({"twice": "2"}))
        assert made.host.run("rpm -q twice").stdout.count(b"\n") == 2
        with pytest.raises(FactUnreadable, match="twice is installed twice, as 1-1 and 2-1") as error:
            apply(made.host, [Notes(Packages({"twice": "2"}))], settings=SETTINGS)
        repair = error.value.lines["fix"].partition("`")[2].partition("`")[0]
        assert made.host.run(repair).status == 0
        assert apply(made.host, [Notes(Packages({"twice": "2"}))], settings=SETTINGS).changed == 0


@pytest.mark.fault("disk full in a package transaction")
def test_package_that_does_not_fit_says_how_much_room_there_is(tmp_path: Path) -> None:
    files = repository(rpm(tmp_path, "large", size=20_000_000))
    with booted(tmp_path, "debian-rpm", size="90m", files=files) as made:
        made.host.run("head -c 200m /dev/zero >/var/filled; truncate -s -15M /var/filled")
        started = time.monotonic()
        with pytest.raises(NoSpace) as error:
            apply(made.host, [Notes(Packages(("large",)))], settings=SETTINGS)
        assert time.monotonic() - started < 30
        assert any(line.startswith("/: ") for line in error.value.lines["room"].splitlines())
        assert made.host.run("rpm -q large").status != 0
        made.host.run("rm /var/filled")
        assert apply(made.host, [Notes(Packages(("large",)))], settings=SETTINGS).changed == 1


@pytest.mark.nightly
@pytest.mark.fault("read-only")
def test_read_only_root_is_named_and_not_waited_for(tmp_path: Path) -> None:
    files = repository(rpm(tmp_path, "any"))
    with booted(tmp_path, "debian-rpm", files=files) as made:
        assert made.host.run("mount -o remount,ro /").status == 0
        started = time.monotonic()
        with pytest.raises(NoSpace, match="Read-only file system") as error:
            apply(made.host, [Notes(Packages(("any",)))], settings=EngineSettings(lock_wait=60))
        assert time.monotonic() - started < 20
        assert "/: " in error.value.lines["room"]
        assert "read-only" in error.value.lines["room"]


@pytest.mark.fault("reboot nobody asked for")
def test_machine_that_loses_its_power_under_a_job_is_named_and_the_next_apply_finishes(tmp_path: Path) -> None:
    count = 'for i in $(seq 20); do echo "line $i"; sleep 0.2; done; printf %s "$2" >"$1"'
    with booted(tmp_path, "debian-rpm") as made:
        note = Note("/root/note", write=count, job=True)
        with pytest.raises(UnexpectedReboot, match="rebooted while") as error:
            apply(made.host, [Notes(note)], listener=once("line 3", made.machine.reboot), settings=SETTINGS)
        assert error.value.lines["task"].startswith("notes, 1 of 1")
        assert apply(made.host, [Notes(note)], settings=SETTINGS).changed == 1


@pytest.mark.fault("package transaction killed")
def test_killed_dpkg_transaction_is_finished_by_the_next_apply(tmp_path: Path) -> None:
    tree = tmp_path / "late"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: late\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@b.invalid>\nDescription: for a test\n"
    )
    (tree / "DEBIAN/postinst").write_text(f"#!/bin/sh\n{LINGER}\n")
    (tree / "DEBIAN/postinst").chmod(0o755)
    deb = tmp_path / "late.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(deb)], check=True, capture_output=True)
    listed = subprocess.run(["dpkg-scanpackages", "."], cwd=tmp_path, check=True, capture_output=True).stdout
    files = {
        "srv/test/late.deb": deb.read_bytes(),
        "srv/test/Packages": listed,
        "etc/apt/sources.list": b"deb [trusted=yes] file:/srv/test ./\n",
    }
    with booted(tmp_path, "debian-apt", files=files) as made:
        made.host.run("rm -f /etc/apt/sources.list.d/*")
        wanted = Packages(("late",))
        killed(made, wanted)
        assert b"iF" in made.host.run("dpkg-query -W -f='${db:Status-Abbrev}' late").stdout
        assert apply(made.host, [Notes(wanted)], settings=SETTINGS).changed == 1
        assert apply(made.host, [Notes(wanted)], settings=SETTINGS).changed == 0
