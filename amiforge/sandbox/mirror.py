"""The artifact mirror: what vendors serve at `https://host/path` lies at `{mirror}/host/path`, as stand-ins.

Built once for each state of the stand-in data and kept. Each sandbox has a mirror of its own, with a key and an address
that stay: what an image trusts, and where it looks, is still there when the stand-ins have changed.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import Field

from amiforge.sandbox.artifacts import artifacts, document
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.process import locked
from amiforge.sandbox.rpm import SigningKey, build_packages, build_repository
from amiforge.sandbox.standins import STANDINS, Build, Strict, builds, fingerprint, packages, read_toml

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
WsgiApp = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_DIGESTS = "digests.json"
_KEY_FILE = "mirror-key.gpg"
_UNSERVED = "unserved"
_PIECE = 1 << 18


class Repository(Strict):
    """A package repository of the mirror; without a path, packages that no machine sees as a repository."""

    name: str
    path: str = Field(description="host and path of the repository; empty for one that is not served")
    mirror_lists: tuple[str, ...] = Field((), description="host and path of each mirror list that names it")


def repositories() -> tuple[Repository, ...]:
    """Read the mirror's repositories from the stand-in data."""
    entries = read_toml(STANDINS / "repositories.toml")["repository"]
    return tuple(Repository.model_validate(entry) for entry in entries)


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
                with SigningKey.kept(folder.path / _KEY_FILE) as key:
                    _fill(new, Path(name), address, key)
                (new / _DIGESTS).write_text(json.dumps({"stamp": stamp, "sha256": _hash_all(new)}, indent=1))
                _replace(folder.mirror, new)
    return folder.mirror


def digests(folder: Folder) -> Mapping[str, str]:
    """Give the sha256 of every document a vendor serves, by its own address (`https://host/path`)."""
    found: Mapping[str, str] = json.loads((build_mirror(folder) / _DIGESTS).read_text())["sha256"]
    return found


def repository_folder(mirror: Path, name: str) -> Path:
    """Give where one repository lies in the mirror's documents."""
    repository = next(repository for repository in repositories() if repository.name == name)
    return mirror / (repository.path or f"{_UNSERVED}/{name}")


def key_file(mirror: Path) -> Path:
    """Give the public key that everything in the mirror is signed with, armored."""
    return mirror / _key_paths()[0]


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
    target = (root / path.lstrip("/")).resolve()
    return target if target.is_relative_to(root.resolve()) and target.is_file() else None


def _fill(mirror: Path, work: Path, address: str, key: SigningKey) -> None:
    wanted = tuple(builds(packages(), address))
    folders = {repository.name: repository_folder(mirror, repository.name) for repository in repositories()}
    rpms = build_packages(wanted, folders, work / "rpmbuild")
    key.sign_packages(rpms.values())
    for path in _key_paths():
        _write(mirror / path, key.public().encode())
    _fill_repositories(mirror, wanted, address)
    _fill_artifacts(mirror, rpms, key)


def _fill_repositories(mirror: Path, wanted: Sequence[Build], address: str) -> None:
    for repository in repositories():
        members = [build for build in wanted if build.package.repository == repository.name]
        build_repository(repository_folder(mirror, repository.name), members)
        for path in repository.mirror_lists:
            _write(mirror / path, f"{address}/{repository.path}/\n".encode())


def _fill_artifacts(mirror: Path, rpms: Mapping[str, Path], key: SigningKey) -> None:
    for artifact in artifacts():
        for version in artifact.versions:
            path = mirror / artifact.path.replace("@VERSION@", version)
            _write(path, document(artifact, version, rpms))
            if artifact.signed:
                key.sign_file(path)
        if artifact.latest:
            newest = mirror / artifact.path.replace("@VERSION@", artifact.versions[-1])
            for suffix in ("", ".sig") if artifact.signed else ("",):
                shutil.copy2(f"{newest}{suffix}", mirror / f"{artifact.latest}{suffix}")


def _key_paths() -> list[str]:
    paths: list[str] = read_toml(STANDINS / "repositories.toml")["keys"]["paths"]
    return paths


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _hash_all(mirror: Path) -> dict[str, str]:
    files = {path.relative_to(mirror): path for path in sorted(mirror.rglob("*")) if path.is_file()}
    return {
        f"https://{name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if name.parts[0] != _UNSERVED
    }


def _stamp(folder: Folder) -> str:
    try:
        return str(json.loads((folder.mirror / _DIGESTS).read_text())["stamp"])
    except (FileNotFoundError, ValueError, KeyError):
        return ""


def _replace(target: Path, new: Path) -> None:
    old = new.with_name("old")
    if target.exists():
        target.rename(old)
    new.rename(target)
