"""Base roots: cached Debian file systems that boot fast, with real package managers.

A base is described by a directory in `bases/`: `packages` (one a line), `files/` (copied into the new root) and
`finish.sh` (runs last). What `bases/common` has of each comes before the base's own, and its `setup.sh` first of all.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from amiforge.errors import CommandFailed, SandboxUnavailable
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.layers import TIED
from amiforge.sandbox.process import locked

BASES = Path(__file__).parent / "bases"
COMMON = BASES / "common"
SUITE = "bookworm"
# Documentation and translations are a third of the size and nothing on an image needs them.
DPKG_OPTIONS = tuple(f"path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "info", "locale"))
# Options of apt which say how to reach its archives, as opposed to what to do with them.
REACHING = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")


def build_root(folder: Folder, name: str = "debian-rpm") -> Path:
    """Give the base root `name`, made on first use (about a minute) and kept.

    The directory's name carries a digest of everything the root is made from, so a changed description
    makes a new root, and images on top of an old one stay whole.

    Raises:
        SandboxUnavailable: there is no base of this name.
        CommandFailed: a package could not be fetched or installed.
    """
    if name not in base_names():
        names = ", ".join(base_names())
        raise SandboxUnavailable(f"there is no sandbox root named {name!r}: choose one of {names}")
    root = root_path(folder, name)
    folder.roots.mkdir(parents=True, exist_ok=True)
    with locked(folder.roots / f".{name}.lock"):
        if not root.exists():
            new = folder.roots / f".{name}.new"
            shutil.rmtree(new, ignore_errors=True)
            _make((COMMON, BASES / name), new)
            new.rename(root)
    return root


def base_names() -> tuple[str, ...]:
    """Name the base roots there are."""
    return tuple(sorted(path.name for path in BASES.iterdir() if path != COMMON))


def root_path(folder: Folder, name: str) -> Path:
    """Give where the base root `name` lies, made or not."""
    return folder.roots / f"{name}-{digest(COMMON, BASES / name)}"


def digest(*parts: Path) -> str:
    """Give 12 hex digits that stand for everything a root is made from, apart from the archive's state."""
    state = hashlib.sha256(repr((SUITE, DPKG_OPTIONS)).encode())
    for part in parts:
        for path in sorted(part.rglob("*")):
            if path.is_file():
                state.update(repr((str(path.relative_to(part)), path.read_bytes())).encode())
    return state.hexdigest()[:12]


def debian_sources(index_targets: str) -> str:
    """Turn lines `URI SUITE COMPONENT ORIGIN CODENAME` into those sources that hold this Debian suite."""
    rows = (line.split() for line in index_targets.splitlines())
    return "".join(
        f"deb {row[0]} {row[1]} {row[2]}\n"
        for row in rows
        if len(row) == 5 and row[3] == "Debian" and row[4].startswith(SUITE)  # noqa: PLR2004 - the columns
    )


def reaching_options(apt_config: str) -> str:
    """Pick the options out of `apt-config dump` that say how to reach the archives: proxies and the like."""
    return "".join(f"{line}\n" for line in apt_config.splitlines() if line.startswith(REACHING))


def _make(parts: Sequence[Path], root: Path) -> None:
    # This machine reaches an archive in the way its administrator set up; a root is fetched in the same way.
    columns = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(CODENAME)"
    sources = debian_sources(_run("apt-get", "indextargets", "--format", columns, "Created-By: Packages"))
    options = root.with_suffix(".apt.conf")
    options.write_text(reaching_options(_run("apt-config", "dump")))
    include = ",".join(word for part in parts for word in (part / "packages").read_text().split())
    flags = ["--mode=root", "--variant=minbase", f"--include={include}", f"--aptopt={options}"]
    flags += [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
    # Without sources, mmdebstrap knows Debian's own.
    _run(*TIED, "mmdebstrap", *flags, SUITE, str(root), *["-"] * bool(sources), stdin=sources)
    options.unlink()
    inside = [*TIED, "chroot", str(root), "sh", "-eu", "-s"]
    _run(*inside, stdin=(COMMON / "setup.sh").read_text())
    for part in parts:
        _copy_files(part / "files", root)
    for part in parts:
        _run(*inside, stdin=(part / "finish.sh").read_text())


def _copy_files(files: Path, root: Path) -> None:
    for path in sorted(files.rglob("*")):
        target = root / path.relative_to(files)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            shutil.copyfile(path, target)
            target.chmod(0o644)


def _run(*command: str, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(
            f"cannot build the sandbox's root: {command[0]} ended with status {done.returncode}",
            ran=" ".join(command),
            stderr=done.stderr[-2000:],
        )
    return done.stdout
