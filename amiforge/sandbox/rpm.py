"""Turns stand-ins into signed rpm packages and repositories, with rpmbuild, rpmsign and createrepo_c."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from amiforge.errors import CommandFailed, SandboxUnavailable
from amiforge.sandbox.standins import Build

_KEY_NAME = "amiforge sandbox"
_DATE = datetime(2026, 11, 1, tzinfo=UTC)


class SigningKey:
    """The key that everything in a mirror is signed with, ready for use in a home of its own."""

    def __init__(self, home: Path) -> None:
        self._gpg = ("gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty")
        self._home = home

    @classmethod
    @contextmanager
    def kept(cls, secret: Path) -> Iterator[SigningKey]:
        """Take the key from a file, made on first use; removes whatever gpg starts for it."""
        # not below the sandbox's folder: gpg-agent's socket path must stay under 108 characters
        with tempfile.TemporaryDirectory(prefix="amiforge-key-") as name:
            key = cls(Path(name))
            try:
                if secret.exists():
                    run(*key._gpg, "--import", str(secret))
                else:
                    key._make(secret)
                yield key
            finally:
                run("gpgconf", "--homedir", name, "--kill", "all")

    def _make(self, secret: Path) -> None:
        run(*self._gpg, "--passphrase", "", "--quick-generate-key", _KEY_NAME, "rsa2048", "sign", "never")
        exported = self._home / secret.name
        run(*self._gpg, "--output", str(exported), "--export-secret-keys", _KEY_NAME)
        new = secret.with_name(f".{secret.name}.new")
        new.touch(0o600)
        new.write_bytes(exported.read_bytes())
        new.replace(secret)

    def public(self) -> str:
        """Give the public half, armored."""
        return run(*self._gpg, "--armor", "--export", _KEY_NAME)

    def sign_file(self, path: Path) -> None:
        """Write a detached signature next to a file, as `<file>.sig`."""
        run(*self._gpg, "--local-user", _KEY_NAME, "--output", f"{path}.sig", "--detach-sign", str(path))

    def sign_packages(self, paths: Iterable[Path]) -> None:
        """Sign rpm packages in place."""
        # rpm's own default for __gpg, /usr/bin/gpg2, does not exist on Debian
        defines = (f"_gpg_name {_KEY_NAME}", f"_gpg_path {self._home}", f"__gpg {shutil.which('gpg')}")
        run("rpmsign", *(word for line in defines for word in ("--define", line)), "--addsign", *map(str, paths))


def run(*argv: str, cwd: Path | None = None) -> str:
    """Run a program and give its standard output.

    Raises:
        SandboxUnavailable: the program is not installed.
        CommandFailed: it ended with another status than 0; carries the end of what it said.
    """
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SandboxUnavailable(f"building the sandbox's packages needs the program {argv[0]}") from None
    if done.returncode:
        raise CommandFailed(f"{argv[0]} failed", ran=" ".join(argv)[:500], output=(done.stdout + done.stderr)[-2000:])
    return done.stdout


def build_packages(wanted: Iterable[Build], folders: Mapping[str, Path], work: Path) -> dict[str, Path]:
    """Build each stand-in into an rpm in the folder of its repository.

    Returns:
        Where each package lies, by its full name.
    """
    batches = batched(wanted)
    places = [work / str(number) for number in range(len(batches))]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_build_batch, batches, places))
    built: dict[str, Path] = {}
    for members, place in zip(batches, places, strict=True):
        for build in members:
            target = folders[build.package.repository] / f"{build.name}.rpm"
            target.parent.mkdir(parents=True, exist_ok=True)
            built[build.name] = (place / "rpms" / target.name).rename(target)
    return built


def batched(wanted: Iterable[Build]) -> list[list[Build]]:
    """Split builds into batches for one rpmbuild each: no two of a batch share a name or a file."""
    batches: list[list[Build]] = []
    taken: list[set[str]] = []
    for build in wanted:
        claims = {build.package.name, *(path for path, _ in build.files()), *(path for path, _ in build.links())}
        number = next((i for i, others in enumerate(taken) if not claims & others), len(batches))
        if number == len(batches):
            batches.append([])
            taken.append(set())
        batches[number].append(build)
        taken[number] |= claims
    return batches


def build_repository(folder: Path, members: Iterable[Build]) -> None:
    """Write the metadata of a repository, with its security advisories, over the rpms that lie in a folder."""
    run("createrepo_c", "--quiet", "--general-compress-type", "gz", str(folder))
    fixes = [build for build in members if build.package.security and build.newest]
    if fixes:
        advisories = folder / "updateinfo.xml"
        advisories.write_text(updateinfo(fixes))
        run("modifyrepo_c", str(advisories), str(folder / "repodata"))
        advisories.unlink()


def updateinfo(fixes: Iterable[Build]) -> str:
    """Give the security advisories that some builds are the fix of, as dnf reads them."""
    advisories: defaultdict[str, list[Build]] = defaultdict(list)
    for build in fixes:
        advisories[build.package.security].append(build)
    updates = "".join(_advisory(name, members) for name, members in sorted(advisories.items()))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n{updates}</updates>\n'


def spec(members: Iterable[Build], stage: Path) -> str:
    """Give the spec file that packs what lies below `stage` into one rpm a build."""
    head = (
        "Name: amiforge-standins\nVersion: 1\nRelease: 1\nSummary: Stand-ins of the amiforge sandbox\n"
        "License: Apache-2.0\n%description\nStand-ins of the amiforge sandbox.\n"
        f"%install\ncp -a {stage}/. %{{buildroot}}/\n"
    )
    return head + "".join(_sections(build) for build in members)


def _build_batch(members: list[Build], work: Path) -> None:
    stage = work / "stage"
    stage.mkdir(parents=True)
    for build in members:
        _stage(build, stage)
    (work / "standins.spec").write_text(spec(members, stage))
    defines = (
        f"_topdir {work}/build",
        f"_rpmdir {work}/rpms",
        "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
        "_binary_payload w1.gzdio",
        "_build_id_links none",
        "debug_package %{nil}",
        "__os_install_post %{nil}",
        "_unpackaged_files_terminate_build 1",
        "_buildhost sandbox.amiforge",
    )
    words = [word for line in defines for word in ("--define", line)]
    run("rpmbuild", "-bb", "--quiet", "--nodeps", "--target", "x86_64-linux", *words, str(work / "standins.spec"))


def _stage(build: Build, stage: Path) -> None:
    for path, content in build.files():
        target = stage / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o755 if content.startswith(b"#!") else 0o644)
    for path, destination in build.links():
        link = stage / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(destination)


def _sections(build: Build) -> str:
    package = build.package
    relations = {
        "Requires": package.requires,
        "Provides": package.provides,
        "Conflicts": package.conflicts,
        "Obsoletes": package.obsoletes,
    }
    lines = [
        f"%package -n {package.name}",
        f"Version: {build.version}",
        f"Release: {build.release}",
        *([f"Epoch: {package.epoch}"] if package.epoch else []),
        f"Summary: {package.summary} (stand-in)",
        "AutoReqProv: no",
        *(["BuildArch: noarch"] if package.arch == "noarch" else []),
        *(f"{tag}: {build.fill(text)}" for tag, texts in relations.items() for text in texts),
        f"%description -n {package.name}",
        f"Stand-in made by the amiforge sandbox: {package.summary}.",
    ]
    for scriptlet in ("post", "preun", "postun", "posttrans"):
        text: str = getattr(package, scriptlet)
        if text:
            lines += [f"%{scriptlet} -n {package.name}", build.fill(text).replace("%", "%%")]
    lines.append(f"%files -n {package.name}")
    lines += [_file_line(path) for path, _ in (*build.files(), *build.links())]
    return "\n".join(lines) + "\n"


def _file_line(path: str) -> str:
    return f'%config(noreplace) "{path}"' if path.startswith("/etc/") else f'"{path}"'


def _advisory(name: str, members: list[Build]) -> str:
    rows = "".join(
        f"<package name={quoteattr(build.package.name)} version={quoteattr(build.version)} "
        f'release={quoteattr(build.release)} epoch="{build.package.epoch}" arch={quoteattr(build.package.arch)}>'
        f"<filename>{escape(build.name)}.rpm</filename></package>"
        for build in members
    )
    titles = ", ".join(build.package.name for build in members)
    return (
        f'<update from="amiforge" status="final" type="security" version="1"><id>{escape(name)}</id>'
        f"<title>{escape(titles)}: stand-in security update</title><severity>Important</severity>"
        f'<issued date="{_DATE:%Y-%m-%d %H:%M}"/><updated date="{_DATE:%Y-%m-%d %H:%M}"/>'
        f'<description>Stand-in advisory.</description><pkglist><collection short="sandbox">'
        f"{rows}</collection></pkglist></update>\n"
    )
