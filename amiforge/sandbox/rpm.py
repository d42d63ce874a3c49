"""Turns stand-ins into rpm packages and repositories, with rpmbuild and createrepo_c."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from amiforge.sandbox.program import run
from amiforge.sandbox.signing import SigningKey
from amiforge.sandbox.standins import Build

#: Packages of one rpmbuild: enough to be worth its start, few enough to keep every processor busy.
_BATCH = 40
_DATE = datetime(2026, 11, 1, tzinfo=UTC)


def build_packages(wanted: Iterable[Build], work: Path, key: SigningKey) -> dict[str, Path]:
    """Build each stand-in into a signed rpm below an empty folder, and give where it lies by its full name.

    Raises:
        SandboxUnavailable: rpmbuild or rpmsign is not installed.
        CommandFailed: a package could not be built.
    """
    batches = batched(wanted)
    places = [work / str(number) for number in range(len(batches))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(_build_batch, batches, places, [key] * len(batches))
        return {name: path for batch in made for name, path in batch.items()}


def batched(wanted: Iterable[Build]) -> list[list[Build]]:
    """Split builds into batches for one rpmbuild each, not too large: no two of a batch share a name or a file."""
    batches: list[list[Build]] = []
    taken: list[set[str]] = []
    for build in wanted:
        claims = {build.package.name, *(path for path, _ in build.files()), *(path for path, _ in build.links())}
        fits = (i for i, others in enumerate(taken) if not claims & others and len(batches[i]) < _BATCH)
        number = next(fits, len(batches))
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


def _build_batch(members: list[Build], work: Path, key: SigningKey) -> dict[str, Path]:
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
    made = {build.name: work / "rpms" / f"{build.name}.rpm" for build in members}
    key.sign_rpms(made.values())
    return made


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
