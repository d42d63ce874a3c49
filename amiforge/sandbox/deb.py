"""Turns stand-ins into Debian packages and apt repositories, signed; written directly, as deb(5) describes them."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from amiforge.sandbox.signing import SigningKey
from amiforge.sandbox.standins import Build

_MTIME = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
_MAINTAINER = "amiforge sandbox <sandbox@amiforge.invalid>"
_ARCHITECTURE = "amd64"


def build_package(build: Build, path: Path) -> None:
    """Write one stand-in as a deb file."""
    files = dict(build.files())
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tar_gz(dict(_control_files(build, files)), {}),
        "data.tar.gz": _tar_gz(files, dict(build.links())),
    }
    path.write_bytes(b"!<arch>\n" + b"".join(_ar_member(name, content) for name, content in members.items()))


def control(build: Build, size: int) -> str:
    """Give the control file of a package whose files have this size in bytes."""
    package = build.package
    relations = {
        "Depends": package.requires,
        "Provides": package.provides,
        "Conflicts": package.conflicts,
        "Replaces": package.obsoletes,
    }
    fields = {
        "Package": package.name,
        "Version": build.evr,
        "Architecture": build.deb_arch,
        "Maintainer": _MAINTAINER,
        "Installed-Size": str(-(-size // 1024)),
        **{name: ", ".join(map(build.fill, values)) for name, values in relations.items() if values},
        "Section": "misc",
        "Priority": "optional",
        "Description": f"{package.summary} (stand-in)\n Stand-in made by the amiforge sandbox.",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


@dataclass(frozen=True, slots=True)
class Suite:
    """What sources lists and pins know a suite by; the name `/` means a repository that is one folder."""

    name: str
    component: str
    origin: str
    label: str

    @property
    def flat(self) -> bool:
        """Whether the repository is one folder."""
        return self.name == "/"


def build_suite(folder: Path, suite: Suite, members: Sequence[tuple[Build, Path]], key: SigningKey) -> None:
    """Write the index of a suite of the repository in `folder` and sign it; `members` lie anywhere below that."""
    place = folder if suite.flat else folder / "dists" / suite.name
    below = "" if suite.flat else f"{suite.component}/binary-{_ARCHITECTURE}/"
    packages = "\n".join(stanza(build, path, folder) for build, path in members).encode()
    files = {f"{below}Packages": packages, f"{below}Packages.gz": gzip.compress(packages, 6, mtime=0)}
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    release = release_file(suite, files)
    (place / "Release").write_text(release)
    (place / "InRelease").write_text(key.sign_text(release))


def stanza(build: Build, path: Path, folder: Path) -> str:
    """Give a package's paragraph in the index of the repository in `folder`."""
    content = path.read_bytes()
    return control(build, _size(build.files())) + (
        f"Filename: {'./' if path.parent == folder else ''}{path.relative_to(folder)}\n"
        f"Size: {len(content)}\n"
        f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
    )


def release_file(suite: Suite, files: Mapping[str, bytes]) -> str:
    """Give the Release file over some index files."""
    named = {"Suite": suite.name, "Codename": suite.name.partition("-")[0], "Components": suite.component}
    fields = {
        "Origin": suite.origin,
        "Label": suite.label,
        **({} if suite.flat else named),
        # one in the future would not be valid yet
        "Date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC"),
        "Architectures": f"{_ARCHITECTURE} all",
    }
    rows = "".join(f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n" for name, content in files.items())
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + f"SHA256:\n{rows}"


def _control_files(build: Build, files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    package = build.package
    yield "/control", control(build, _size(files.items())).encode()
    yield "/md5sums", "".join(f"{_md5(content)}  {path[1:]}\n" for path, content in files.items()).encode()
    settings = "".join(f"{path}\n" for path in files if path.startswith("/etc/"))
    if settings:
        yield "/conffiles", settings.encode()
    # dpkg runs each of them for more occasions than rpm does
    for name, occasions, texts in (
        ("postinst", "configure", (package.post, package.posttrans)),
        ("prerm", "remove|upgrade", (package.preun,)),
        ("postrm", "remove|upgrade", (package.postun,)),
    ):
        text = "\n".join(build.fill(text) for text in texts if text)
        if text:
            yield f"/{name}", f"#!/bin/sh\ncase $1 in {occasions}) ;; *) exit 0 ;; esac\n{text}\n".encode()


def _size(files: Iterable[tuple[str, bytes]]) -> int:
    return sum(len(content) for _, content in files)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _ar_member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{_MTIME:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)


def _tar_gz(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in _parents((*files, *links)):
            archive.addfile(_entry(path, type=tarfile.DIRTYPE, mode=0o755))
        for path, content in files.items():
            mode = 0o755 if content.startswith(b"#!") else 0o644
            archive.addfile(_entry(path, size=len(content), mode=mode), io.BytesIO(content))
        for path, target in links.items():
            archive.addfile(_entry(path, type=tarfile.SYMTYPE, linkname=target, mode=0o777))
    return gzip.compress(buffer.getvalue(), 6, mtime=0)


def _entry(path: str, **fields: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(f".{path}")
    entry.mtime, entry.uname, entry.gname = _MTIME, "root", "root"
    for name, value in fields.items():
        setattr(entry, name, value)
    return entry


def _parents(paths: Sequence[str]) -> list[str]:
    return sorted({str(parent) for path in paths for parent in PurePosixPath(path).parents})
