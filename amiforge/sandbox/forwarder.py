"""A TCP forwarder that is a bad link: slow, silent or cut, as one wants it."""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE = 65_536
#: Pieces on the way in one direction; a full link pushes back, as TCP does.
_ON_THE_WAY = 256
#: Bytes of a narrow link's buffer.
_NARROW = 4096
#: Seconds that the last bytes before a cut get to arrive.
_DELIVERY = 0.05
_ABORT = struct.pack("ii", 1, 0)


class Forwarder:
    """Listens and forwards every connection. A context manager.

    Args:
        host: where to.
        port: where to.
        delay: seconds each byte is on its way, in each direction; half a round trip.
        rate: bytes a second that get through in each direction; 0 for all that come.
        listen: address and port to listen on; port 0 takes any free one.

    Attributes:
        delay: as above; a change counts for what comes from then on.
        rate: as above, with a change likewise.
        cut_after: bytes from the client that still get through before every connection is cut, once; negative for all.
        port: where it listens.
        connections: how many it has taken so far.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        delay: float = 0.0,
        rate: int = 0,
        listen: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self._target = (host, port)
        self.rate = rate
        self.delay = delay
        self.cut_after = -1
        self._open: set[socket.socket] = set()
        self._cut: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.create_server(listen)
        if rate:
            # A narrow link has room for little; the kernel would take megabytes off the client's hands at once.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, name="forwarder", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def freeze(self) -> None:
        """Let nothing through any more, while all connections look open."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let everything through again, what has waited first."""
        self._flowing.set()

    def drop(self) -> None:
        """Cut every connection with a reset; new ones are welcome."""
        with self._lock:
            self._cut |= self._open
            for sock in self._open:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                    # Wakes its reader and sends nothing; closing it then sends the reset.
                    sock.shutdown(socket.SHUT_RD)
        self.thaw()

    def close(self) -> None:
        """Cut every connection and stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._connect, args=(near,), name="forwarder-connect", daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        with self._lock:
            self._open |= {near, far}
        ways = ((near, far, True), (far, near, False))
        pumps = [threading.Thread(target=self._pump, args=way, daemon=True) for way in ways]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        with self._lock:
            self._open -= {near, far}
            self._cut -= {near, far}
        near.close()
        far.close()

    def _pump(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        """Carry one direction, `up` from the client: a thread reads and stamps, this one delivers in time."""
        sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        way: queue.Queue[tuple[float, bytes]] = queue.Queue(_ON_THE_WAY)
        reader = threading.Thread(target=self._read, args=(source, way), daemon=True)
        reader.start()
        while True:
            due, data = way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            self._flowing.wait()
            if sink in self._cut:
                break
            with suppress(OSError):
                if data:
                    sink.sendall(self._until_cut(data) if up else data)
                    continue
                sink.shutdown(socket.SHUT_WR)
            break
        with suppress(OSError):
            source.shutdown(socket.SHUT_RD)
        while reader.is_alive():
            with suppress(queue.Empty):
                way.get(timeout=0.1)

    def _until_cut(self, data: bytes) -> bytes:
        """Give what of a piece still gets through, and cut everything where that is not all."""
        if self.cut_after < 0:
            return data
        through, left = data[: self.cut_after], self.cut_after - len(data)
        if self.cut_after and left <= 0:
            threading.Timer(_DELIVERY, self._cut_now).start()
        self.cut_after = max(0, left)
        return through

    def _cut_now(self) -> None:
        self.drop()
        self.cut_after = -1

    def _read(self, source: socket.socket, way: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(max(1, self.rate // 20) if self.rate else _PIECE)
            except OSError:
                data = b""
            if self.rate:
                time.sleep(len(data) / self.rate)
            way.put((time.monotonic() + self.delay, data))
