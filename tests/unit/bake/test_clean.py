from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from amiforge.bake.clean import AREAS, table_script, wipe
from amiforge.errors import CommandFailed, NotConverged
from amiforge.host.base import Output
from amiforge.host.fake import FakeHost

DIRT = {
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nec2-user:x:1:1::/home/ec2-user:/bin/sh\nnobody:x:9:9::/:/bin/false\n",
    "etc/ssh/ssh_host_ed25519_key": "private",
    "etc/ssh/ssh_host_ed25519_key.pub": "ssh-ed25519 AAAA",
    "etc/ssh/sshd_config": "Port 22\n",
    "root/.ssh/authorized_keys": "ssh-ed25519 AAAA builder",
    "root/.bash_history": "ls",
    "home/ec2-user/.ssh/authorized_keys": "ssh-ed25519 AAAA builder",
    "home/ec2-user/.ssh/known_hosts": "host",
    "home/ec2-user/.cache/pip/wheel": "x",
    "home/ec2-user/.aws/credentials": "x",
    "home/ec2-user/notes.txt": "stays",
    "var/lib/cloud/instances/i-1/user-data.txt": "x",
    "var/lib/cloud/data/instance-id": "i-1",
    "var/lib/systemd/random-seed": "x",
    "var/lib/amazon/ssm/Vault/key": "x",
    "var/log/messages": "line",
    "var/log/messages-20261101": "old",
    "var/log/app/app.log": "line",
    "var/log/app/app.log.1": "old",
    "var/log/journal/0123/system.journal": "x",
    "var/log/cloud-init.log": "x",
    "var/cache/dnf/repo/x.solv": "x",
    "tmp/left over": "x",
    "tmp/.hidden": "x",
    "var/tmp/x": "x",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in DIRT.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "var/lib/cloud/instance").symlink_to("instances/i-1")
    (tmp_path / "tmp/dangling").symlink_to("/nowhere")
    (tmp_path / "tmp/line\nbreak").write_text("x")
    return tmp_path


def sh(root: Path, mode: str) -> list[str]:
    script = table_script("wipe" if mode == "wipe" else "look", str(root))
    done = subprocess.run(["sh", "-s"], input=script, text=True, capture_output=True, check=True)
    assert done.stderr == ""
    assert done.stdout.endswith("end\t\n")
    return done.stdout.splitlines()[:-1]


def state(root: Path) -> dict[str, str]:
    links = {str(path.relative_to(root)): str(path.readlink()) for path in root.rglob("*") if path.is_symlink()}
    return links | {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.shell
def test_the_wipe_removes_identity_and_traces_and_nothing_else(root: Path) -> None:
    sh(root, "wipe")
    assert state(root) == {
        "etc/machine-id": "",
        "etc/passwd": DIRT["etc/passwd"],
        "etc/ssh/sshd_config": "Port 22\n",
        "home/ec2-user/notes.txt": "stays",
        "var/log/messages": "",
        "var/log/app/app.log": "",
    }


@pytest.mark.shell
def test_a_second_wipe_finds_nothing_to_do(root: Path) -> None:
    assert sh(root, "wipe")
    assert sh(root, "wipe") == []
    assert sh(root, "look") == []


@pytest.mark.shell
def test_looking_names_everything_by_area_and_changes_nothing(root: Path) -> None:
    before = state(root)
    named = sh(root, "look")
    assert state(root) == before
    assert "machine id\t/etc/machine-id" in named
    assert "ways in\t/home/ec2-user/.ssh/authorized_keys" in named
    assert "temporary files\t/tmp/left over" in named
    assert "cloud-init\t/var/lib/cloud/instance" in named


@pytest.mark.shell
@pytest.mark.parametrize("path", sorted(set(DIRT) - {"etc/passwd", "etc/ssh/sshd_config", "home/ec2-user/notes.txt"}))
def test_each_single_leftover_is_found(tmp_path: Path, path: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(DIRT["etc/passwd"])
    left = tmp_path / path
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("x")
    assert sh(tmp_path, "look")


@pytest.mark.shell
def test_the_machine_id_of_dbus_goes_only_if_it_is_a_file_of_its_own(root: Path) -> None:
    link = root / "var/lib/dbus/machine-id"
    link.parent.mkdir(parents=True)
    link.symlink_to("/etc/machine-id")
    sh(root, "wipe")
    assert str(link.readlink()) == "/etc/machine-id"
    link.unlink()
    link.write_text("0123\n")
    sh(root, "wipe")
    assert not link.exists()


def test_leftovers_are_an_error_that_names_every_path() -> None:
    left = b"logs\t/var/log/secure\nways in\t/root/.ssh/authorized_keys\n"
    host = FakeHost(lambda script: Output(0, (left if "set -- look" in script else b"") + b"end\t\n"))
    host.connect()
    with pytest.raises(NotConverged) as caught:
        wipe(host, 60)
    assert caught.value.lines["state"] == "logs: /var/log/secure\nways in: /root/.ssh/authorized_keys"


def test_a_wipe_that_does_not_come_to_its_end_is_an_error() -> None:
    host = FakeHost(lambda _script: Output(2, b"logs\t/var/log/secure\n", b"sh: out of memory"))
    host.connect()
    with pytest.raises(CommandFailed, match="did not come to its end") as caught:
        wipe(host, 60)
    assert caught.value.lines["output"] == "sh: out of memory"


def test_the_ways_in_go_last() -> None:
    assert [area.name for area in AREAS][-1] == "ways in"
    assert all(area.why for area in AREAS)
