"""Servers that break off, lie, dawdle or are not who they should be: a download comes whole, or fails by name."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from amiforge.engine.apply import apply
from amiforge.errors import ChecksumMismatch, CommandFailed, NoSpace, TaskError
from amiforge.resources.artifact import Artifact
from tests.faults.amazon import amazon, listed, lock_is_free, login, root_only
from tests.unit.engine.test_apply import Notes

pytestmark = root_only
BODY = b"payload " * 50_000
SHA256 = hashlib.sha256(BODY).hexdigest()
#: Pauses and patience as long as they are would only make the tests long.
SHORT = {
    "sleep": "exec /bin/sleep 0.05",
    "curl": 'for word do shift; [ "$word" != 60 ] || word=1; set -- "$@" "$word"; done; exec /usr/bin/curl "$@"',
}
WGET = {"sleep": SHORT["sleep"]}
NO_CURL = "mount --bind /dev/null /usr/bin/curl\n"


class _Answers(BaseHTTPRequestHandler):
    """Answers by the path's first word; `asked` counts requests by path."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        getattr(self, self.path.strip("/").replace("-", "_"))()

    def whole(self, body: bytes = BODY, length: int = 0) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def truncated(self) -> None:
        self.whole(BODY[:100_000], len(BODY))
        self.close_connection = True

    def truncated_once(self) -> None:
        (self.truncated if self.asked[self.path] == 1 else self.whole)()

    def busy_twice(self) -> None:
        self.send_error(503) if self.asked[self.path] <= 2 else self.whole()

    def always_busy(self) -> None:
        self.send_error(503)

    def gone(self) -> None:
        self.send_error(404)

    def other(self) -> None:
        self.whole(b"something else")

    def longer(self) -> None:
        self.whole(BODY + b"more", len(BODY))

    def around(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.end_headers()

    def drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        try:
            for _ in range(600):
                self.wfile.write(b"x" * 10)
                time.sleep(0.1)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as its base names it
        """Say nothing."""


@pytest.fixture
def origin() -> Iterator[ThreadingHTTPServer]:
    yield from _serve(ThreadingHTTPServer(("127.0.0.1", 0), _Answers))


def _serve(server: ThreadingHTTPServer) -> Iterator[ThreadingHTTPServer]:
    _Answers.asked.clear()
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def url_of(origin: ThreadingHTTPServer, path: str, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{origin.server_port}/{path}"


@pytest.mark.fault("download that breaks off or is refused for a while")
@pytest.mark.parametrize("setup", ["", NO_CURL], ids=["curl", "wget"])
@pytest.mark.parametrize(("path", "requests"), [("truncated-once", 2), ("busy-twice", 3), ("longer", 1)])
def test_download_is_tried_again_until_it_is_whole(
    origin: ThreadingHTTPServer, path: str, requests: int, setup: str
) -> None:
    with amazon(setup, WGET if setup else SHORT) as server, login(server) as host:
        place = server.path / "place"
        artifact = Notes(Artifact(url_of(origin, path), str(place / "file"), SHA256))
        assert apply(host, [artifact]).changed == 1
        assert (place / "file").read_bytes() == BODY
        assert listed(server, place) == ["file"]
        assert _Answers.asked[f"/{path}"] == requests
        assert apply(host, [artifact]).changed == 0


@pytest.mark.fault("download that never comes right")
@pytest.mark.parametrize(
    ("path", "error", "says", "requests"),
    [
        ("truncated", CommandFailed, "exit 18", 5),
        ("always-busy", CommandFailed, "exit 22 503", 5),
        ("gone", CommandFailed, "exit 22 404", 1),
        ("other", ChecksumMismatch, f"wanted sha256 {SHA256}, got ", 1),
        ("around", CommandFailed, "exit 47", 51),
        ("drip", CommandFailed, "exit 28", 5),
    ],
)
def test_download_that_never_comes_right_leaves_what_was_there(
    origin: ThreadingHTTPServer, path: str, error: type[TaskError], says: str, requests: int
) -> None:
    with amazon("echo old >$at/place/file\n", SHORT) as server, login(server) as host:
        place = server.path / "place"
        started = time.monotonic()
        with pytest.raises(error) as refused:
            apply(host, [Notes(Artifact(url_of(origin, path), str(place / "file"), SHA256))])
        assert time.monotonic() - started < 25
        assert says in refused.value.block()
        assert url_of(origin, path) in refused.value.block()
        assert refused.value.lines["task"].startswith("notes, 1 of 1")
        assert (place / "file").read_text() == "old\n"
        assert listed(server, place) == ["file"]
        assert _Answers.asked[f"/{path}"] == requests
        time.sleep(0.2)
        assert lock_is_free(server)


@pytest.mark.fault("download over TLS that is not trusted")
def test_server_with_a_certificate_of_its_own_is_not_believed(tmp_path: Path) -> None:
    made = ("-keyout", tmp_path / "key", "-out", tmp_path / "certificate", "-subj", "/CN=127.0.0.1", "-days", "2")
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run([*new, *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    origin = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    origin.socket = context.wrap_socket(origin.socket, server_side=True)
    for _ in _serve(origin):
        with amazon(programs=SHORT) as server, login(server) as host:
            place = server.path / "place"
            started = time.monotonic()
            with pytest.raises(CommandFailed) as refused:
                apply(host, [Notes(Artifact(url_of(origin, "whole", "https"), str(place / "file"), SHA256))])
            assert time.monotonic() - started < 6
            assert "SSL certificate problem" in refused.value.lines["output"]
            assert "CA certificates" in refused.value.lines["fix"]
            assert listed(server, place) == []


@pytest.mark.fault("disk full")
@pytest.mark.parametrize("setup", ["", NO_CURL], ids=["curl", "wget"])
def test_download_that_does_not_fit_says_so_at_once(origin: ThreadingHTTPServer, setup: str) -> None:
    small = f"mount -t tmpfs -o size=200k tmpfs $at/place\n{setup}"
    with amazon(small, WGET if setup else SHORT) as server, login(server) as host:
        place = server.path / "place"
        with pytest.raises(NoSpace) as refused:
            apply(host, [Notes(Artifact(url_of(origin, "whole"), str(place / "file"), SHA256))])
        assert f"{place}: " in refused.value.lines["room"]
        assert listed(server, place) == []
