from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from amiforge.bake.clean import AREAS, table_script

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
    "var/lib/amiforge-disarmed": "",
    "var/lib/dkms/nvidia/580/build/make.log": "x",
    "var/lib/systemd/coredump/core.1": "x",
    "opt/aws/amazon-cloudwatch-agent/logs/state/offset": "x",
    "opt/miniconda3/pkgs/numpy.conda": "x",
    "home/ec2-user/.ssh/id_new": "x",
    "home/ec2-user/core.12": "x",
    "usr/lib/.amiforge.a1b2c3d4": "x",
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


def test_the_ways_in_go_last() -> None:
    assert AREAS[-1].name == "ways in"
    assert [area.closing for area in AREAS] == sorted(area.closing for area in AREAS)
    assert all(area.why for area in AREAS)


CLOUD_INIT = {
    "usr/bin/cloud-init": "",
    "etc/cloud/cloud.cfg": "users: [default]\n",
    "etc/hostname": "ip-10-0-0-7.ec2.internal\n",
    "etc/netplan/50-cloud-init.yaml": "network: {}\n",
    "etc/sudoers.d/90-cloud-init-users": "ec2-user ALL=(ALL) NOPASSWD:ALL\n",
    "etc/fstab": "UUID=1 / xfs defaults 0 1\n/dev/nvme1n1 /mnt auto defaults,nofail,comment=cloudconfig 0 2\n",
    "etc/resolv.conf": "; generated by /usr/sbin/dhclient-script\nnameserver 10.0.0.2\n",
}


def plant(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


@pytest.mark.shell
def test_what_cloud_init_sets_for_each_instance_goes(root: Path) -> None:
    plant(root, CLOUD_INIT)
    sh(root, "wipe")
    left = {name: content for name, content in state(root).items() if name in CLOUD_INIT}
    assert left == {
        "usr/bin/cloud-init": "",
        "etc/cloud/cloud.cfg": "users: [default]\n",
        "etc/fstab": "UUID=1 / xfs defaults 0 1\n",
        "etc/resolv.conf": "",
    }
    assert sh(root, "look") == []


@pytest.mark.shell
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("etc/cloud/cloud.cfg.d/99.cfg", "network: {config: disabled}\n"),
        ("etc/cloud/cloud.cfg", "preserve_hostname: true\n"),
        ("etc/hostname", "login-node\n"),
    ],
)
def test_what_cloud_init_will_not_set_stays(root: Path, path: str, content: str) -> None:
    plant(root, {**CLOUD_INIT, path: content})
    sh(root, "wipe")
    kept = "etc/netplan/50-cloud-init.yaml" if "network" in content else "etc/hostname"
    assert kept in state(root)


@pytest.mark.shell
def test_without_cloud_init_nothing_goes_that_only_it_would_bring_back(root: Path) -> None:
    plant(root, {name: content for name, content in CLOUD_INIT.items() if name != "usr/bin/cloud-init"})
    sh(root, "wipe")
    assert {"etc/hostname", "etc/netplan/50-cloud-init.yaml", "etc/sudoers.d/90-cloud-init-users"} <= set(state(root))
