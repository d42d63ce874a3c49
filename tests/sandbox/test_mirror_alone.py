"""With a mirror a machine asks for no other host: a name server that writes down every name, and knows none."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from amiforge import recipes
from amiforge.ec2.source_image import SourceImage
from amiforge.engine.apply import Report, apply
from amiforge.errors import CommandFailed
from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh
from amiforge.host.wait import wait_for_ssh
from amiforge.recipes.recipe import Recipe
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import digests, fingerprints, mirror_address
from amiforge.settings import EngineSettings
from amiforge.systems.trust import Trust
from tests.sandbox.cloud import Cloud

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

#: Machines share this one's network; nothing else of the sandbox is at this address.
ADDRESS = "127.3.0.53"
RESOLVER = f"nameserver {ADDRESS}\noptions timeout:2 attempts:1\n"

_HEADER = struct.Struct("!6H")
_ANSWER_NXDOMAIN = 0x8183


def asked_name(query: bytes) -> str:
    """Read the name that a DNS query asks for (RFC 1035, 4.1)."""
    labels, at = [], _HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels).lower()


@contextmanager
def name_server() -> Iterator[list[str]]:
    """Give the names asked for, each as often as it was; none of them exists."""
    names: list[str] = []

    class Server(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, socket = self.request
            names.append(asked_name(query))
            question = query[_HEADER.size : query.index(b"\0", _HEADER.size) + 5]
            header = _HEADER.pack(struct.unpack("!H", query[:2])[0], _ANSWER_NXDOMAIN, 1, 0, 0, 0)
            socket.sendto(header + question, self.client_address)

    with socketserver.ThreadingUDPServer((ADDRESS, 53), Server) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield names
        server.shutdown()
        thread.join()


@dataclass
class Secluded:
    """A machine that has that name server, and no other."""

    folder: Folder
    recipe: Recipe
    host: SshHost

    def apply(self, recipe: Recipe, mirror: str) -> Report:
        trust = Trust(digests(self.folder), fingerprints(self.folder))
        return apply(self.host, recipe.tasks, settings=EngineSettings(mirror=mirror), trust=trust)

    def resolver(self) -> str:
        return str(self.host.run("cat /etc/resolv.conf").stdout.decode())


@pytest.fixture
def secluded(request: pytest.FixtureRequest, cloud: Cloud, own_folder: Folder, tmp_path: Path) -> Iterator[Secluded]:
    name, os = request.param
    recipe = recipes.find(name).on(os)
    host = launched(cloud, recipe.source, tmp_path)
    host.run(f"rm /etc/resolv.conf && printf '{RESOLVER}' >/etc/resolv.conf")
    yield Secluded(own_folder, recipe, host)
    host.close()


def launched(cloud: Cloud, source: SourceImage, folder: Path) -> SshHost:
    """Give a new machine of a source image."""
    image = cloud.client("ssm").get_parameter(Name=source.parameter)["Parameter"]["Value"]
    address = cloud.instance(cloud.running(image))["PublicIpAddress"]
    (folder / "ssh_config").touch()
    ssh = Ssh(config=folder / "ssh_config", known_hosts=folder / "known_hosts", accept_new=True)
    host = SshHost(address, source.user, key=cloud.key, settings=ssh)
    wait_for_ssh(host, 60)
    host.run("cloud-init status --wait")
    return host


EVERYWHERE = [("eks_gpu", "al2023"), ("dlami_gpu", "ubuntu2404")]


@pytest.mark.parametrize("secluded", EVERYWHERE, indirect=True, ids=" ".join)
def test_with_a_mirror_no_name_is_asked_for(secluded: Secluded) -> None:
    with name_server() as names:
        assert secluded.apply(secluded.recipe, mirror_address(secluded.folder)).changed > 5
        assert secluded.resolver() == RESOLVER
        secluded.host.run("getent hosts canary.example")
    assert names.pop().startswith("canary.example")
    own = {secluded.host.run("hostname").stdout.decode().strip(), "localhost"}
    assert {name for name in names if name not in own and not name.startswith("canary.example")} == set()


@pytest.mark.parametrize("secluded", EVERYWHERE[:1], indirect=True, ids=" ".join)
def test_without_one_the_vendors_name_is(secluded: Secluded) -> None:
    alone = replace(secluded, recipe=secluded.recipe.model_copy(update={"tasks": (secluded.recipe.task("aws_cli"),)}))
    with name_server() as names, pytest.raises(CommandFailed, match="awscli"):
        alone.apply(alone.recipe, "")
    assert "awscli.amazonaws.com" in names
