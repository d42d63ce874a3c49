"""What every fault needs: a real sshd that takes a machine's place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amiforge.host.ssh import SshHost
from amiforge.sandbox.forwarder import Forwarder
from tests.sshd import Sshd, missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "faults":
            item.add_marker(pytest.mark.sockets)
            item.add_marker(pytest.mark.subprocesses)
            item.add_marker(pytest.mark.skipif(bool(missing()), reason=missing()))


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    with Sshd() as server:
        yield server


@pytest.fixture
def host(sshd: Sshd) -> Iterator[SshHost]:
    with_server = sshd.host()
    with_server.connect()
    yield with_server
    with_server.close()


@pytest.fixture
def link(sshd: Sshd) -> Iterator[Forwarder]:
    with Forwarder("127.0.0.1", sshd.port) as forwarder:
        yield forwarder
