"""Downloads of the mirror that are no repository packages: archives, installers, single packages, texts."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from amiforge.errors import ConfigError
from amiforge.sandbox import kmod
from amiforge.sandbox.standins import Module, Strict, contents, filled, notice, source

_EPOCH = (2026, 11, 1, 0, 0, 0)
_EXECUTABLE = 0o755


class Artifact(Strict):
    """A download: where the vendor keeps it, which versions there are, and what is in it.

    All texts and paths may hold @VERSION@, @MIRROR@ and @VERMAGIC_OFFSET@.
    """

    kind: Literal["tar.gz", "zip", "script", "file", "package"]
    versions: tuple[str, ...] = Field(("",), min_length=1, description="oldest first; none for what has no version")
    path: str = Field(description="host and path")
    latest: str = Field("", description="host and path under which the newest version lies as well")
    key: str = Field("", description="host and path at which the key is served that signs it")
    signed: bool = Field(False, description="whether the vendor keeps a detached signature beside it, as <path>.sig")
    checksum: str = Field("", description="host and path of a file with its sha256 and name, as sha256sum prints them")
    root: str = Field("", description="folder inside an archive that holds everything")
    files: dict[str, str] = Field({}, description="path inside: text; text that starts with #! is executable")
    copies: dict[str, str] = Field({}, description="path inside: name of a file in standins/files")
    modules: tuple[Module, ...] = ()
    packages: dict[str, tuple[str, ...]] = Field({}, description="folder inside: full names of stand-ins it carries")
    copy_of: str = Field("", alias="copy", description="file, script: name of a file in standins/files")
    text: str = Field("", description="file: its text")
    package: str = Field("", description="package: full name of the stand-in")


def document(artifact: Artifact, version: str, mirror: str, built: Mapping[str, Path]) -> bytes:
    """Make the bytes of one artifact.

    Args:
        artifact: what to make.
        version: one of its versions.
        mirror: where machines find the mirror.
        built: built packages by full name, for artifacts that are or carry some.

    Raises:
        ConfigError: a package was not built, or a file of `standins/files` is not there.
    """
    tokens = {"VERSION": version, "MIRROR": mirror, "VERMAGIC_OFFSET": str(kmod.VERMAGIC_OFFSET)}
    if artifact.kind == "package":
        return _package(artifact, filled(artifact.package, tokens), built).read_bytes()
    if artifact.kind == "file":
        return filled(source(artifact.copy_of) if artifact.copy_of else artifact.text, tokens).encode()
    files = _files(artifact, tokens, built)
    if artifact.kind == "script":
        return filled(source(artifact.copy_of), tokens).encode() + base64.encodebytes(_tar_gz(files))
    return _zip(files) if artifact.kind == "zip" else _tar_gz(files)


def _files(artifact: Artifact, tokens: Mapping[str, str], built: Mapping[str, Path]) -> dict[str, bytes]:
    name = filled(artifact.path, tokens).rpartition("/")[2]
    files = {"STAND-IN": notice(name).encode()}
    files.update(contents(artifact.files, artifact.copies, artifact.modules, tokens))
    for folder, names in artifact.packages.items():
        for carried in names:
            path = _package(artifact, filled(carried, tokens), built)
            files[f"{folder}/{path.name}"] = path.read_bytes()
    root = filled(artifact.root, tokens)
    return {f"{root}/{path}": content for path, content in files.items()} if root else files


def _package(artifact: Artifact, name: str, built: Mapping[str, Path]) -> Path:
    if name not in built:
        raise ConfigError(f"artifact {artifact.path}: there is no stand-in package {name}")
    return built[name]


def _mode(content: bytes) -> int:
    return _EXECUTABLE if content.startswith(b"#!") else 0o644


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _mode(content) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _tar_gz(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), _mode(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 6, mtime=0)
