from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from amiforge.sandbox.forwarder import Forwarder

pytestmark = pytest.mark.sockets


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends everything back, and its end after the other's end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer:
            _echo(peer)


def _echo(peer: socket.socket) -> None:
    try:
        while data := peer.recv(65_536):
            peer.sendall(data)
    except OSError:
        return


def _everything(link: socket.socket) -> bytes:
    pieces = []
    while data := link.recv(65_536):
        pieces.append(data)
    return b"".join(pieces)


def test_all_bytes_and_the_end_come_through_in_order(echo_port: int) -> None:
    sent = bytes(range(256)) * 8192
    with Forwarder("127.0.0.1", echo_port, delay=0.02) as forwarder:
        with socket.create_connection(("127.0.0.1", forwarder.port)) as link:

            def send() -> None:
                link.sendall(sent)
                link.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            assert _everything(link) == sent
            sender.join()
        assert forwarder.connections == 1


def test_round_trip_takes_twice_the_delay(echo_port: int) -> None:
    with (
        Forwarder("127.0.0.1", echo_port, delay=0.1) as forwarder,
        socket.create_connection(("127.0.0.1", forwarder.port)) as link,
    ):
        started = time.monotonic()
        link.sendall(b"ping")
        assert link.recv(4) == b"ping"
        assert time.monotonic() - started >= 0.2


def test_frozen_link_is_silent_and_goes_on_when_thawed(echo_port: int) -> None:
    with (
        Forwarder("127.0.0.1", echo_port) as forwarder,
        socket.create_connection(("127.0.0.1", forwarder.port)) as link,
    ):
        forwarder.freeze()
        link.sendall(b"ping")
        link.settimeout(0.3)
        with pytest.raises(TimeoutError):
            link.recv(4)
        forwarder.thaw()
        link.settimeout(5)
        assert link.recv(4) == b"ping"


def test_dropped_link_ends_and_new_ones_work(echo_port: int) -> None:
    with Forwarder("127.0.0.1", echo_port) as forwarder:
        with socket.create_connection(("127.0.0.1", forwarder.port)) as link:
            link.sendall(b"ping")
            assert link.recv(4) == b"ping"
            forwarder.drop()
            link.settimeout(5)
            with pytest.raises(ConnectionResetError):
                link.recv(4)
        with socket.create_connection(("127.0.0.1", forwarder.port)) as link:
            link.sendall(b"pong")
            assert link.recv(4) == b"pong"


def test_nobody_behind_it_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with (
        Forwarder("127.0.0.1", port) as forwarder,
        socket.create_connection(("127.0.0.1", forwarder.port)) as link,
    ):
        link.settimeout(5)
        assert link.recv(1) == b""


def test_narrow_link_takes_its_time_and_pushes_back(echo_port: int) -> None:
    with (
        Forwarder("127.0.0.1", echo_port, rate=20_000) as forwarder,
        socket.create_connection(("127.0.0.1", forwarder.port)) as link,
    ):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        started = time.monotonic()
        link.sendall(bytes(20_000))
        assert time.monotonic() - started > 0.3
        link.shutdown(socket.SHUT_WR)
        assert _everything(link) == bytes(20_000)
        assert 0.9 < time.monotonic() - started < 5


def test_link_is_cut_after_so_many_bytes_and_only_once(echo_port: int) -> None:
    with Forwarder("127.0.0.1", echo_port) as forwarder:
        forwarder.cut_after = 1000
        with socket.create_connection(("127.0.0.1", forwarder.port)) as link:
            link.sendall(bytes(900))
            assert len(link.recv(900, socket.MSG_WAITALL)) == 900
            link.sendall(bytes(900))
            with pytest.raises(ConnectionResetError):
                _everything(link)
        with socket.create_connection(("127.0.0.1", forwarder.port)) as link:
            link.sendall(bytes(5000))
            link.shutdown(socket.SHUT_WR)
            assert len(_everything(link)) == 5000


def test_a_narrow_link_becomes_wide_while_it_carries(echo_port: int) -> None:
    with (
        Forwarder("127.0.0.1", echo_port, rate=2_000, listen=("127.0.0.2", 0)) as forwarder,
        socket.create_connection(("127.0.0.2", forwarder.port)) as link,
    ):
        began = time.monotonic()
        link.sendall(b"x" * 400)
        first = link.recv(400)
        assert time.monotonic() - began >= 0.05
        forwarder.rate = 0
        link.sendall(b"y" * 1_000_000)  # would take a quarter of an hour
        link.shutdown(socket.SHUT_WR)
        assert len(first + _everything(link)) == 1_000_400
