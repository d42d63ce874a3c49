from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeGuard

import pytest

from amiforge.engine.events import ArtifactRecorded, KeyRecorded
from amiforge.engine.failure import explain
from amiforge.engine.lockfile import recorded
from amiforge.errors import ChecksumMismatch, RecipeError
from amiforge.resources.artifact import Artifact
from amiforge.resources.signature import Signature
from amiforge.systems.trust import FIRST_USE, Trust
from tests.realshell import SYSTEM, run

URL, KEY_URL = "https://vendor.example/driver.run", "https://vendor.example/driver.key"
HIDE_ALL_BUT_GPG = """
for name in gpg-agent gpgv dirmngr keyboxd gpgconf gpg-connect-agent; do
  path=$(command -v "$name") && mount --bind /dev/null "$path"
done
exec "$@"
"""
CONTENT = b"driver\n" * 1000


@dataclass(frozen=True)
class Signer:
    """A vendor's key: fingerprint, armored and binary, and its signature of the content."""

    fingerprint: str
    armored: bytes
    binary: bytes
    signature: bytes

    @property
    def documents(self) -> dict[str, bytes]:
        """What it serves, by address."""
        return {URL: CONTENT, KEY_URL: self.armored, f"{URL}.sig": self.signature}


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Signer]:
    """Two keys, and one that expired after it signed."""
    if not shutil.which("gpg"):
        pytest.skip("needs gpg")
    made = {}
    for name, options in {"vendor": (), "other": (), "expired": ("--faked-system-time", "20200101T000000")}.items():
        home = tmp_path_factory.mktemp(name, numbered=False)
        home.chmod(0o700)
        try:
            made[name] = signer(home, options)
        finally:
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return made


def signer(home: Path, options: tuple[str, ...]) -> Signer:
    def gpg(*words: str) -> bytes:
        done = subprocess.run(
            ["gpg", "--homedir", str(home), "--batch", "--quiet", *options, *words],
            input=CONTENT,
            capture_output=True,
            check=True,
        )
        return done.stdout

    gpg(
        "--passphrase", "", "--quick-generate-key", "V <v@vendor.example>", "ed25519", "sign", "30d" if options else "0"
    )
    listed = gpg("--with-colons", "--list-keys").decode().splitlines()
    fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
    return Signer(fingerprint, gpg("--armor", "--export"), gpg("--export"), gpg("--detach-sign"))


@contextmanager
def served(documents: Mapping[str, bytes]) -> Iterator[str]:
    """Serve documents by the path a mirror has them at; gives the mirror's address."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = documents.get(f"https:/{self.path}")
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("url", "key_url", "fingerprint"),
    [("x", KEY_URL, ""), (f"{URL}.sig", "http://vendor.example/key", ""), (f"{URL}.sig", KEY_URL, "B1DD2D3CCC")],
)
def test_what_proves_nothing_is_refused(url: str, key_url: str, fingerprint: str) -> None:
    with pytest.raises(RecipeError):
        Signature(url, key_url, fingerprint)


@dataclass(frozen=True)
class Downloader:
    """A shell that downloads what a vendor serves into a folder."""

    folder: Path
    shell: str

    def get(
        self,
        documents: Mapping[str, bytes],
        wanted: str,
        *,
        trust: Trust = FIRST_USE,
        prelude: str = "",
        within: Sequence[str] = (),
    ) -> str:
        """Give what was printed, or how the mismatch is told."""
        resource = Artifact(URL, str(self.folder / "x"), signature=Signature(f"{URL}.sig", KEY_URL, wanted))
        with served(documents) as mirror:
            (change,) = resource.changes(frozenset({"type"}), replace(SYSTEM, mirror=mirror, trust=trust))
            answer = run(change, self.shell, prelude, within)
        if answer.status == 0:
            return answer.text
        error = explain(change, answer.status, answer.stderr.decode())
        assert isinstance(error, ChecksumMismatch), answer
        assert error.lines["fix"]
        return error.message


@pytest.fixture(params=["sh", "bash"])
def downloader(tmp_path: Path, request: pytest.FixtureRequest) -> Downloader:
    return Downloader(tmp_path, request.param)


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.sockets
class TestOnAShell:
    @pytest.mark.parametrize("form", ["armored", "binary"])
    def test_a_download_that_the_vendors_key_signed_gets_its_name(
        self, signers: dict[str, Signer], downloader: Downloader, form: str
    ) -> None:
        vendor = signers["vendor"]
        output = downloader.get({**vendor.documents, KEY_URL: getattr(vendor, form)}, vendor.fingerprint)
        assert [type(event) for event in recorded(output)] == [ArtifactRecorded]
        assert [(path.name, path.read_bytes()) for path in downloader.folder.iterdir()] == [("x", CONTENT)]

    def test_a_key_of_which_nothing_is_known_is_recorded(
        self, signers: dict[str, Signer], downloader: Downloader
    ) -> None:
        keys = [event for event in recorded(downloader.get(signers["vendor"].documents, "")) if is_key(event)]
        assert [(key.url, key.fingerprint) for key in keys] == [(KEY_URL, signers["vendor"].fingerprint)]

    def test_the_lock_files_fingerprint_wins(self, signers: dict[str, Signer], downloader: Downloader) -> None:
        trust = Trust(fingerprints={KEY_URL: signers["vendor"].fingerprint})
        assert list(recorded(downloader.get(signers["vendor"].documents, "0" * 40, trust=trust)))

    def test_another_key_is_refused_by_both_fingerprints(
        self, signers: dict[str, Signer], downloader: Downloader
    ) -> None:
        wanted, other = signers["vendor"].fingerprint, signers["other"]
        assert downloader.get(other.documents, wanted).endswith(
            f"wanted a signature by the key {wanted}, got one by {other.fingerprint}"
        )

    @pytest.mark.parametrize(
        ("by", "changes", "reason"),
        [
            ("vendor", {URL: b"tampered"}, "a signature that does not fit the content"),
            ("vendor", {f"{URL}.sig": b"<html>not found</html>"}, "got no signature"),
            ("expired", {}, "a signature that expired, or by a key that did"),
        ],
    )
    def test_what_proves_nothing_leaves_nothing(
        self, signers: dict[str, Signer], downloader: Downloader, by: str, changes: dict[str, bytes], reason: str
    ) -> None:
        assert reason in downloader.get({**signers[by].documents, **changes}, signers[by].fingerprint)
        assert list(downloader.folder.iterdir()) == []

    def test_a_key_that_did_not_sign_proves_nothing(self, signers: dict[str, Signer], downloader: Downloader) -> None:
        vendor, other = signers["vendor"], signers["other"]
        said = downloader.get({**vendor.documents, KEY_URL: other.armored}, other.fingerprint)
        assert "got a signature by another key" in said

    def test_gpg_alone_is_enough_as_on_amazon_linux_2023(
        self, signers: dict[str, Signer], downloader: Downloader
    ) -> None:
        within = ("unshare", "--mount", "sh", "-c", HIDE_ALL_BUT_GPG, "sh")
        if os.geteuid() != 0 or subprocess.run([*within, "true"], check=False, capture_output=True).returncode:
            pytest.skip("hides programs, which takes root and unshare")
        vendor = signers["vendor"]
        assert subprocess.run([*within, "gpg-agent", "--version"], check=False, capture_output=True).returncode
        assert list(recorded(downloader.get(vendor.documents, vendor.fingerprint, within=within)))

    def test_a_host_without_gpg_says_so(self, signers: dict[str, Signer], downloader: Downloader) -> None:
        hidden = 'command() { [ "$2" != gpg ] && eval \'type "$2"\'; }'
        with pytest.raises(AssertionError, match="gpg is not installed"):
            downloader.get(signers["vendor"].documents, signers["vendor"].fingerprint, prelude=hidden)


def is_key(event: object) -> TypeGuard[KeyRecorded]:
    return isinstance(event, KeyRecorded)
