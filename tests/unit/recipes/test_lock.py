from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest

from amiforge.engine.download import Download
from amiforge.engine.lockfile import Lockfile
from amiforge.recipes.lock import _NoDowngrade, lock
from amiforge.systems.trust import Trust
from tests.unit.resources.test_signing_key import FINGERPRINT, KEY

CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE, KEY_URL = "https://vendor.example/file", "https://vendor.example/key"
DOCUMENTS = {"/vendor.example/file": CONTENT, "/vendor.example/key": KEY.encode(), "/vendor.example/page": b"<html>"}


@pytest.fixture
def mirror() -> Iterator[str]:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = DOCUMENTS.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"") + (9 if self.path.endswith("page") else 0)))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.sockets
def test_what_nobody_knows_is_fetched_once_and_recorded(mirror: str, tmp_path: Path) -> None:
    lockfile = Lockfile(tmp_path / "amiforge.lock")
    downloads = (
        Download("file", FILE),
        Download("key", KEY_URL),
        Download("file", "https://vendor.example/known", "a" * 64),
        Download("repository", "https://vendor.example/repo", signed=True),
    )
    found = [(entry.status, entry.value) for entry in lock(downloads, lockfile, mirror=mirror)]
    assert found == [("added", DIGEST), ("added", FINGERPRINT), ("known", "a" * 64)]
    assert lockfile.trust() == Trust({FILE: DIGEST}, {KEY_URL: FINGERPRINT})
    assert [entry.status for entry in lock(downloads, lockfile, mirror=mirror)] == ["recorded", "recorded", "known"]


@pytest.mark.sockets
@pytest.mark.parametrize("update", [False, True])
def test_what_changed_is_recorded_anew_only_when_asked(mirror: str, tmp_path: Path, update: bool) -> None:
    lockfile = Lockfile(tmp_path / "amiforge.lock")
    lockfile.record(Trust({FILE: "0" * 64}))
    (entry,) = lock([Download("file", FILE)], lockfile, mirror=mirror, update=update)
    assert (entry.status, entry.value, entry.was) == ("changed", DIGEST, "0" * 64)
    assert lockfile.trust().digests == {FILE: DIGEST if update else "0" * 64}


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("file", "nothing", "404"),
        ("key", "file", "wanted one armored OpenPGP key, got none"),
        ("file", "page", "broke"),
    ],
)
def test_what_cannot_be_had_is_told_and_not_recorded(
    mirror: str, tmp_path: Path, kind: str, name: str, why: str
) -> None:
    lockfile = Lockfile(tmp_path / "amiforge.lock")
    download = Download(kind, f"https://vendor.example/{name}")  # type: ignore[arg-type]
    (entry,) = lock([download], lockfile, mirror=mirror)
    assert entry.status == "failed"
    assert why in entry.value
    assert not lockfile.path.exists()


@pytest.mark.sockets
def test_a_mirror_that_is_not_there_is_a_failure_of_that_download_alone(tmp_path: Path) -> None:
    entries = lock([Download("file", FILE)] * 2, Lockfile(tmp_path / "x.lock"), mirror="http://127.0.0.1:9")
    assert [entry.status for entry in entries] == ["failed", "failed"]


def test_https_is_not_redirected_to_http() -> None:
    with pytest.raises(URLError, match="redirected from https to http://evil"):
        _NoDowngrade().redirect_request(Request(FILE), None, 302, "", {}, "http://evil.example/x")
