"""The artifact mirror: what vendors serve at `https://host/path` lies at `{mirror}/host/path`, as stand-ins.

Built once for each state of the stand-in data and kept. Each sandbox has a mirror of its own, with a key and an address
that stay: what an image trusts, and where it looks, is still there when the stand-ins have changed.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from amiforge.sandbox import deb, rpm
from amiforge.sandbox.artifacts import Artifact, document
from amiforge.sandbox.catalog import UNSERVED, Catalog, Repository, fingerprint, read_catalog
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.pool import Pool
from amiforge.sandbox.process import locked
from amiforge.sandbox.signing import SigningKey
from amiforge.sandbox.standins import Build, Origin

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_INDEX = "index.json"
_KEY_FILE = "mirror-key.gpg"
_KEY = f"{UNSERVED}/key.asc"
_PIECE = 1 << 18


def mirror_address(folder: Folder) -> str:
    """Give where the machines of a sandbox find its mirror: a loopback address made from the folder's path.

    It is part of the images, as a vendor's is. Two sandboxes must not share one: their keys differ.
    """
    third, fourth = hashlib.sha256(str(folder.path.resolve()).encode()).digest()[:2]
    return f"http://127.2.{third}.{max(1, min(fourth, 254))}:8080"


def build_mirror(folder: Folder) -> Path:
    """Give the mirror's documents, made on first use and whenever the stand-in data changed. Takes some seconds.

    Raises:
        SandboxUnavailable: a program that builds packages is missing.
        CommandFailed: a package could not be built.
        ConfigError: the stand-in data is wrong.
    """
    with locked(folder.path / "mirror.lock"):
        address = mirror_address(folder)
        stamp = f"{fingerprint()} {address}"
        if _stamp(folder) != stamp:
            with tempfile.TemporaryDirectory(dir=folder.path, prefix=".mirror-") as name:
                new = Path(name) / "mirror"
                catalog = read_catalog()
                with SigningKey.kept(folder.path / _KEY_FILE) as key:
                    _fill(new, catalog, address, Pool(folder.packages, key, Path(name)), key)
                    fingerprints = {f"https://{path}": key.fingerprint() for path in catalog.key_paths}
                index = {"stamp": stamp, "sha256": _hash_all(new), "fingerprints": fingerprints}
                (new / _INDEX).write_text(json.dumps(index, indent=1))
                _replace(folder.mirror, new)
    return folder.mirror


def digests(folder: Folder) -> Mapping[str, str]:
    """Give the sha256 of every document a vendor serves, by its own address (`https://host/path`)."""
    found: Mapping[str, str] = _index(folder)["sha256"]
    return found


def fingerprints(folder: Folder) -> Mapping[str, str]:
    """Give the fingerprint of the key that every address of a signing key serves (`https://host/path`): 40 hex digits.

    In a mirror it is one key, whichever vendor's it stands in for.
    """
    found: Mapping[str, str] = _index(folder)["fingerprints"]
    return found


def key_file(mirror: Path) -> Path:
    """Give the public key that everything in the mirror is signed with, armored."""
    return mirror / _KEY


def mirror_app(folder: Folder) -> WsgiApp:
    """Give a WSGI application that serves the mirror's documents, whole or one range of bytes, and nothing else."""

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
            return []
        path = _document(folder.mirror, unquote(environ.get("PATH_INFO", "")))
        if path is None:
            start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "10")])
            return [b"not found\n"] if environ["REQUEST_METHOD"] == "GET" else []
        return _serve(path, environ, start_response)

    return app


def _serve(path: Path, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    stat = path.stat()
    tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    headers = [
        ("Content-Type", mimetypes.guess_type(path.name)[0] or "application/octet-stream"),
        ("Accept-Ranges", "bytes"),
        ("ETag", tag),
    ]
    if environ.get("HTTP_IF_NONE_MATCH") == tag:
        start_response("304 Not Modified", headers)
        return []
    start, end, status = _span(environ.get("HTTP_RANGE", ""), stat.st_size)
    if status.startswith("416"):
        start_response(status, [*headers, ("Content-Range", f"bytes */{stat.st_size}"), ("Content-Length", "0")])
        return []
    if status.startswith("206"):
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{stat.st_size}"))
    start_response(status, [*headers, ("Content-Length", str(end - start))])
    return _pieces(path, start, end) if environ["REQUEST_METHOD"] == "GET" else []


def _span(asked: str, size: int) -> tuple[int, int, str]:
    """Give first byte, byte behind the last, and status for a Range header; several ranges are answered whole."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.strip())
    if not match or match.group(0) == "bytes=-":
        return 0, size, "200 OK"
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if first and last and int(last) < int(first):
        return 0, size, "200 OK"
    if start >= size:
        return 0, 0, "416 Range Not Satisfiable"
    return start, end, "206 Partial Content"


def _pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


def _document(root: Path, path: str) -> Path | None:
    if path.endswith("/"):
        path += "index.html"
    target = (root / path.lstrip("/")).resolve()
    return target if target.is_relative_to(root.resolve()) and target.is_file() else None


def _fill(mirror: Path, catalog: Catalog, address: str, pool: Pool, key: SigningKey) -> None:
    public = key.public()
    for path in (_KEY, *catalog.key_paths):
        _write(mirror / path.partition("?")[0], public.encode())
    wanted = list(catalog.builds(Origin(address, public)))
    kept = pool.take(wanted)
    built: dict[str, Path] = {}
    for repository in catalog.repositories:
        members = [build for build in wanted if repository.name in build.package.repository]
        built |= _fill_repository(mirror, repository, members, kept, key)
        for path in repository.mirror_lists:
            _write(mirror / path, f"{address}/{repository.path}/\n".encode())
    for artifact in catalog.artifacts:
        _fill_artifact(mirror, artifact, address, built, key)


def _fill_repository(
    mirror: Path, repository: Repository, members: Sequence[Build], kept: Mapping[str, Path], key: SigningKey
) -> dict[str, Path]:
    """Put packages and their index into a repository, and give where each package lies."""
    folder = mirror / repository.folder
    place = folder if repository.flat else folder / "pool" / repository.name
    place.mkdir(parents=True, exist_ok=True)
    places = {build.name: place / f"{build.name}.{build.format}" for build in members}
    for name, path in places.items():
        path.hardlink_to(kept[name])
    if repository.kind == "rpm":
        rpm.build_repository(folder, members)
        key.sign_index(folder / "repodata/repomd.xml")
    for pocket, inside in repository.suites(members).items():
        suite = deb.Suite(pocket, repository.component, repository.origin, repository.label or repository.origin)
        deb.build_suite(folder, suite, [(build, places[build.name]) for build in inside], key)
    return places


def _fill_artifact(mirror: Path, artifact: Artifact, address: str, built: Mapping[str, Path], key: SigningKey) -> None:
    for version in artifact.versions:
        places = [artifact.path.replace("@VERSION@", version)]
        if artifact.latest and version == artifact.versions[-1]:
            places.append(artifact.latest)
        content = document(artifact, version, address, built)
        for place in places:
            _write(mirror / place, content)
            if artifact.signed:
                key.sign_file(mirror / place)
        if artifact.checksum:
            line = f"{hashlib.sha256(content).hexdigest()}  {places[0].rpartition('/')[2]}\n"
            _write(mirror / artifact.checksum.replace("@VERSION@", version), line.encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _hash_all(mirror: Path) -> dict[str, str]:
    files = {path.relative_to(mirror): path for path in sorted(mirror.rglob("*")) if path.is_file()}
    return {
        f"https://{name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if name.parts[0] != UNSERVED
    }


def _index(folder: Folder) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((build_mirror(folder) / _INDEX).read_text())
    return index


def _stamp(folder: Folder) -> str:
    try:
        return str(json.loads((folder.mirror / _INDEX).read_text())["stamp"])
    except (FileNotFoundError, ValueError, KeyError):
        return ""


def _replace(target: Path, new: Path) -> None:
    old = new.with_name("old")
    if target.exists():
        target.rename(old)
    new.rename(target)
