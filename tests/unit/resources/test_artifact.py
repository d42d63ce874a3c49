from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from amiforge.engine.failure import explain
from amiforge.engine.lockfile import RECORDED
from amiforge.engine.query import Replies
from amiforge.errors import ChecksumMismatch, RecipeError
from amiforge.resources.artifact import MISMATCH_STATUS, Artifact
from amiforge.resources.file_state import FileState, look_at
from amiforge.systems.trust import Trust
from tests.realshell import SYSTEM, ask, converge, differing, run

CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
URL = "https://host.example/path/driver-1.2.run"

#: Keeps curl out of sight, so that wget is what is there.
NO_CURL = 'command() { [ "$2" != curl ] && eval \'type "$2"\'; }'


def test_command_uses_the_mirror_and_the_recorded_digest() -> None:
    system = replace(SYSTEM, mirror="http://mirror.example/m", trust=Trust({URL: DIGEST}))
    (change,) = Artifact(URL, "/c/x", sha256="0" * 64, executable=True).changes(frozenset({"type"}), system)
    assert (change.summary, change.job, change.prefetch) == (f"download {URL}", True, True)
    mirrored = "http://mirror.example/m/host.example/path/driver-1.2.run"
    assert change.command.args == (mirrored, "/c/x", DIGEST, "0755", "", "", "", "", "")


@pytest.mark.parametrize(
    ("known", "found", "expected"),
    [
        (DIGEST, FileState("file", mode="0644", sha256=DIGEST), set()),
        (DIGEST.upper(), FileState("file", mode="0644", sha256=DIGEST), set()),
        ("", FileState("file", mode="0644", sha256=DIGEST), set()),
        (DIGEST, FileState("file", mode="0644", sha256="0" * 64), {"sha256"}),
        ("", FileState("file", mode="0600", sha256=DIGEST), {"mode"}),
        ("", FileState(), {"type", "sha256", "mode"}),
    ],
)
def test_differences(known: str, found: FileState, expected: set[str]) -> None:
    resource = Artifact(URL, "/c/x", sha256=known)
    wanted, actual = resource.desired(SYSTEM), resource.actual(Replies({look_at("/c/x"): found}), SYSTEM)
    assert {key for key in wanted if wanted[key] != actual[key]} == expected


@pytest.mark.parametrize("url", ["", "-o /etc/passwd", "file:///etc/passwd", "https://host", "https://host/a b", "x\n"])
def test_what_is_nothing_to_download_is_refused(url: str) -> None:
    with pytest.raises(RecipeError):
        Artifact(url, "/c/x")


@pytest.mark.parametrize("digest", ["x", "0" * 63, "g" * 64])
def test_what_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(RecipeError):
        Artifact(URL, "/c/x", sha256=digest)


@contextmanager
def served(*statuses: int, cut: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Serve the content: one status a request, the last one for ever; `cut` bytes of the first body are missing."""
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = statuses[min(len(asked), len(statuses) - 1)]
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[: len(CONTENT) - cut] if len(asked) == 1 else CONTENT)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/file", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.sockets
@pytest.mark.parametrize("shell", ["sh", "bash"])
class TestOnAShell:
    @pytest.mark.parametrize("prelude", ["", NO_CURL], ids=["curl", "wget"])
    def test_idempotence_and_drift(self, tmp_path: Path, shell: str, prelude: str) -> None:
        path = tmp_path / "new" / "-a b"
        with served(200) as (url, asked):
            resource = Artifact(url, str(path), sha256=DIGEST, executable=True)
            converge(ask(resource, shell=shell), shell, prelude)
            assert ask(resource, shell=shell).as_wanted
            assert path.read_bytes() == CONTENT
            assert [entry.name for entry in path.parent.iterdir()] == ["-a b"]
            path.chmod(0o600)
            assert differing(ask(resource, shell=shell)) == {"mode"}
            converge(ask(resource, shell=shell), shell, prelude)
            assert len(asked) == 1
            path.write_bytes(b"changed")
            assert differing(ask(resource, shell=shell)) == {"sha256"}
            converge(ask(resource, shell=shell), shell, prelude)
            assert ask(resource, shell=shell).as_wanted
            assert len(asked) == 2

    def test_a_digest_that_nobody_knows_is_told(self, tmp_path: Path, shell: str) -> None:
        with served(200) as (url, _):
            (change,) = ask(Artifact(url, str(tmp_path / "x")), shell=shell).changes
            answer = run(change, shell)
        assert answer.text == f"{RECORDED} {DIGEST} {url}\n"

    def test_content_that_is_not_what_it_should_be_gets_no_name(self, tmp_path: Path, shell: str) -> None:
        (tmp_path / "x").write_text("old")
        with served(200) as (url, asked):
            (change,) = ask(Artifact(url, str(tmp_path / "x"), sha256="0" * 64), shell=shell).changes
            answer = run(change, shell)
        assert answer.status == MISMATCH_STATUS
        error = explain(change, answer.status, answer.stderr.decode())
        assert isinstance(error, ChecksumMismatch)
        assert error.message == f"{url}: wanted sha256 {'0' * 64}, got {DIGEST}"
        assert len(asked) == 1
        assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]

    def test_a_server_in_trouble_is_asked_again(self, tmp_path: Path, shell: str) -> None:
        with served(503, 429, 200) as (url, asked):
            converge(ask(Artifact(url, str(tmp_path / "x"), sha256=DIGEST), shell=shell), shell)
        assert len(asked) == 3
        assert (tmp_path / "x").read_bytes() == CONTENT

    def test_a_download_that_breaks_off_is_made_again(self, tmp_path: Path, shell: str) -> None:
        with served(200, cut=1000) as (url, asked):
            converge(ask(Artifact(url, str(tmp_path / "x")), shell=shell), shell)
        assert len(asked) == 2
        assert (tmp_path / "x").read_bytes() == CONTENT

    def test_what_is_not_there_is_asked_for_once(self, tmp_path: Path, shell: str) -> None:
        with served(404) as (url, asked):
            (change,) = ask(Artifact(url, str(tmp_path / "x")), shell=shell).changes
            answer = run(change, shell)
        assert answer.status == 1
        assert b"cannot download" in answer.stderr
        assert b"404" in answer.stderr
        assert len(asked) == 1
        assert list(tmp_path.iterdir()) == []
