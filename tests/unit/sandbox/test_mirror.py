"""The mirror serves exactly its documents, whole or in ranges."""

from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import mirror_address, mirror_app

CONTENT = bytes(range(256)) * 4096


class Client:
    """Asks the WSGI application, with no server between."""

    def __init__(self, folder: Folder) -> None:
        self.app = mirror_app(folder)
        self.status = ""
        self.headers: dict[str, str] = {}

    def get(self, path: str, method: str = "GET", **environ: str) -> bytes:
        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            self.status, self.headers = status, dict(headers)

        return b"".join(self.app({"REQUEST_METHOD": method, "PATH_INFO": path, **environ}, start_response))


@pytest.fixture
def client(tmp_path: Path) -> Client:
    folder = Folder(tmp_path)
    document = folder.mirror / "host.example" / "path" / "file.tar.gz"
    document.parent.mkdir(parents=True)
    document.write_bytes(CONTENT)
    (tmp_path / "secret").write_text("not served")
    return Client(folder)


def test_a_document_lies_at_host_and_path(client: Client) -> None:
    assert client.get("/host.example/path/file.tar.gz") == CONTENT
    assert client.status == "200 OK"
    assert client.headers["Content-Length"] == str(len(CONTENT))


def test_head_gives_the_length_alone(client: Client) -> None:
    assert client.get("/host.example/path/file.tar.gz", "HEAD") == b""
    assert client.headers["Content-Length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=9-99999999", 9, None)],
)
def test_a_range_gives_those_bytes(client: Client, asked: str, start: int, end: int | None) -> None:
    answer = client.get("/host.example/path/file.tar.gz", HTTP_RANGE=asked)
    assert client.status == "206 Partial Content"
    assert answer == CONTENT[start:end]
    first = start % len(CONTENT)
    assert client.headers["Content-Range"] == f"bytes {first}-{first + len(answer) - 1}/{len(CONTENT)}"


def test_a_range_behind_the_end_is_refused_with_the_size(client: Client) -> None:
    assert client.get("/host.example/path/file.tar.gz", HTTP_RANGE=f"bytes={len(CONTENT)}-") == b""
    assert client.status == "416 Range Not Satisfiable"
    assert client.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=0-1,4-5", "lines=0-1", "bytes=5-3"])
def test_a_range_we_do_not_speak_gives_the_whole(client: Client, asked: str) -> None:
    assert client.get("/host.example/path/file.tar.gz", HTTP_RANGE=asked) == CONTENT
    assert client.status == "200 OK"


def test_a_known_version_is_not_sent_again(client: Client) -> None:
    client.get("/host.example/path/file.tar.gz")
    assert client.get("/host.example/path/file.tar.gz", HTTP_IF_NONE_MATCH=client.headers["ETag"]) == b""
    assert client.status == "304 Not Modified"


@pytest.mark.parametrize(
    "path", ["/host.example/other", "/host.example/path", "/", "/../secret", "/host.example/%2e%2e/%2e%2e/secret"]
)
def test_nothing_else_is_served(client: Client, path: str) -> None:
    client.get(path)
    assert client.status == "404 Not Found"


def test_writing_is_refused(client: Client) -> None:
    client.get("/host.example/path/file.tar.gz", "PUT")
    assert client.status == "405 Method Not Allowed"


def test_each_sandbox_has_a_loopback_address_for_its_mirror_that_stays() -> None:
    addresses = {mirror_address(Folder(Path(f"/sandbox/{number}"))) for number in range(50)}
    assert len(addresses) == 50
    assert all(address.startswith("http://127.2.") for address in addresses)
    assert mirror_address(Folder(Path("/sandbox/1"))) == mirror_address(Folder(Path("/sandbox/other/../1")))
