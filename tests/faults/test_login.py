"""Logins along every way, by us and by the commands that we print, at real OpenSSH servers.

What AWS's own tools would carry, stand-ins of theirs carry, which write down how they were called.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from amiforge.bake.login import Login, check_jumps, over_ssh
from amiforge.cli.config import load
from amiforge.ec2.access import Way, way_in
from amiforge.ec2.builder import Builder
from amiforge.ec2.instances import Instance
from amiforge.ec2.session import Clients
from amiforge.errors import AuthRefused, ConfigError, HostKeyMismatch, Unreachable
from amiforge.host.address import host_from
from amiforge.host.ssh_settings import Ssh
from amiforge.shell import Secret
from tests.faults.test_way import PIPE
from tests.sshd import USER, Sshd, free_port, missing

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.subprocesses,
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

INSTANCE = Instance("i-0abc", "running", "m6i.large", "us-east-1a", "127.0.0.1", "127.0.0.1", "")
_SSM = "ssm start-session --target i-0abc --document-name AWS-StartSSHSession --parameters portNumber={port}"
_TUNNEL = "ec2-instance-connect open-tunnel --instance-id i-0abc --remote-port 22"
_WHERE = "--region eu-west-1 --profile our team 100%"


class Machine:
    """A server that is the builder, the ways to it, and a PATH on which AWS's tools and ssh are ours."""

    def __init__(self, sshd: Sshd, folder: Path) -> None:
        self.sshd = sshd
        self.folder = folder
        self.known = folder / "known hosts"
        self.ssh = Ssh(config=folder / "config", known_hosts=folder / "known_hosts")
        (folder / "config").write_text(f"UserKnownHostsFile {folder}/known_hosts\n")
        (folder / "bin").mkdir()
        self.program("ssh", f'exec /usr/bin/ssh -F {folder}/config "$@"')
        self.known = folder / "builder.known_hosts"

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def knows(self, *others: Sshd) -> None:
        lines = [f"[127.0.0.1]:{other.port} {other.host_key}\n" for other in others]
        (self.folder / "known_hosts").write_text("".join(lines))

    def carried_by_aws(self) -> None:
        """Let `aws` write down its arguments and carry the connection to the server."""
        (self.folder / "pipe.py").write_text(PIPE)
        note = f"import json, sys; json.dump(sys.argv[1:], open('{self.folder}/asked', 'w'))"
        carry = f"exec {sys.executable} {self.folder}/pipe.py {self.sshd.port}"
        self.program("aws", f'{sys.executable} -c "{note}" "$@"\n{carry}')

    def login(self, way: Way) -> Login:
        login = Login(way, USER, Secret(self.sshd.key.read_text()), self.sshd.host_key)
        self.known.write_text(login.known_hosts())
        return login

    def says(self, login: Login) -> str:
        """Log in, as a bake does."""
        with closing(over_ssh(login, self.ssh)) as host:
            host.connect()
            return host.run("echo through").stdout.decode().strip()

    def pasted(self, login: Login) -> str:
        """Run the ssh command that is printed."""
        command = f"{login.ssh_command(self.sshd.key, self.known)} -o BatchMode=yes echo through"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr

    def applied(self, login: Login) -> str:
        """Go where the printed command that goes on with the tasks goes."""
        command = login.apply_command("base", self.sshd.key, self.known)
        script = f"amiforge() {{ env -0 >{self.folder}/env; printf '%s\\0' \"$@\" >{self.folder}/args; }}\nset -a\n"
        subprocess.run(["sh", "-c", script + command], check=True)
        pairs = (each.partition("=") for each in (self.folder / "env").read_text().split("\0"))
        ssh = {name: value for name, _, value in pairs if name.startswith("AMIFORGE_SSH_")}
        settings = load(environment={**ssh, "AMIFORGE_SSH_CONFIG": str(self.folder / "config")}).ssh
        arguments = (self.folder / "args").read_text().split("\0")
        with closing(host_from(arguments[3], key=Path(arguments[5]), settings=settings)) as host:
            host.connect()
            return host.run("echo through").stdout.decode().strip()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    with Sshd() as sshd:
        yield Machine(sshd, tmp_path)


def clients() -> Clients:
    nothing: Any = None
    return Clients(
        "eu-west-1", local=False, ec2=nothing, once=nothing, ssm=nothing, pace=nothing, profile="our team 100%"
    )


@pytest.mark.parametrize(
    ("builder", "asked"),
    [
        (Builder(access="ssm", profile="p"), f"{_SSM.format(port=22)} {_WHERE}"),
        (Builder(access="ssm", profile="p", ssh_port=2222), f"{_SSM.format(port=2222)} {_WHERE}"),
        (Builder(access="instance-connect"), f"{_TUNNEL} {_WHERE}"),
        (
            Builder(access="instance-connect", instance_connect_endpoint="eice-02"),
            f"{_TUNNEL} --instance-connect-endpoint-id eice-02 {_WHERE}",
        ),
    ],
)
def test_through_aws(machine: Machine, builder: Builder, asked: str) -> None:
    machine.carried_by_aws()
    login = machine.login(way_in(clients(), builder, INSTANCE))
    for go in (machine.says, machine.pasted, machine.applied):
        assert go(login) == "through"
        assert " ".join(json.loads((machine.folder / "asked").read_text())) == asked
        (machine.folder / "asked").unlink()
    assert machine.sshd.connections == 3


def test_the_pinned_host_key_holds_through_aws(machine: Machine) -> None:
    machine.carried_by_aws()
    login = machine.login(way_in(clients(), Builder(access="ssm", profile="p"), INSTANCE))
    with Sshd() as other:
        machine.known.write_text(f"i-0abc {other.host_key}\n")
        pinned = Login(login.way, login.user, login.key, other.host_key)
        with pytest.raises(HostKeyMismatch):
            machine.says(pinned)
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in machine.pasted(login)
    assert machine.sshd.connections == 0


def test_what_aws_says_of_an_instance_that_is_not_there_yet_is_told(machine: Machine) -> None:
    said = "An error occurred (TargetNotConnected) when calling the StartSession operation: i-0abc is not connected."
    machine.program("aws", f"echo '{said}' >&2; exit 254")
    with pytest.raises(Unreachable) as unreachable:
        machine.says(machine.login(way_in(clients(), Builder(access="ssm", profile="p"), INSTANCE)))
    assert unreachable.value.lines["said"] == said
    assert unreachable.value.lines["reason"] == "the proxy command ended with status 254"


def test_directly(machine: Machine) -> None:
    login = machine.login(Way("127.0.0.1", machine.sshd.port))
    assert [go(login) for go in (machine.says, machine.pasted, machine.applied)] == ["through"] * 3


@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("keyed", [True, False])
def test_through_jump_hosts(machine: Machine, hops: int, *, keyed: bool) -> None:
    with Sshd() as inner, Sshd() as outer:
        machine.knows(inner, outer)
        (outer.path / "authorized_keys").write_text((inner.path / "key.pub").read_text())
        if not keyed:
            with (machine.folder / "config").open("a") as config:
                config.write(f"Match user {USER},nobody\n  IdentityFile {inner.key}\n")
        jump = ",".join(f"{USER}@127.0.0.1:{server.port}" for server in (outer, inner)[:hops])
        way = Way("127.0.0.1", machine.sshd.port, jump=jump, jump_key=str(inner.key) if keyed else "")
        login = machine.login(way)
        assert [go(login) for go in (machine.says, machine.pasted, machine.applied)] == ["through"] * 3
        assert (outer.connections, inner.connections) == (3, 3 * (hops - 1))
        check_jumps(way, machine.ssh)
        assert machine.sshd.connections == 3


def test_jump_hosts_are_checked_before_anything_waits_for_the_instance(machine: Machine) -> None:
    with Sshd() as bastion, Sshd() as stranger:
        machine.knows(bastion)

        def check(server: Sshd, key: str) -> None:
            check_jumps(Way("", jump=f"{USER}@127.0.0.1:{server.port}", jump_key=key), machine.ssh)

        with pytest.raises(HostKeyMismatch, match="not known"):
            check(stranger, str(stranger.key))
        with pytest.raises(AuthRefused):
            check(bastion, str(stranger.key))
        with pytest.raises(ConfigError, match="cannot read"):
            check(bastion, "/nonexistent/key")
        with pytest.raises(Unreachable):
            check_jumps(Way("", jump=f"{USER}@127.0.0.1:{free_port()}", jump_key=str(bastion.key)), machine.ssh)
    check_jumps(Way("192.0.2.1"))
