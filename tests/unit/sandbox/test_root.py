from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.errors import SandboxUnavailable
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.root import (
    BASES,
    COMMON,
    base_names,
    build_root,
    debian_sources,
    digest,
    reaching_options,
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    (base / "files/etc").mkdir(parents=True)
    (base / "packages").write_text("systemd\n")
    (base / "files/etc/hosts").write_text("127.0.0.1 localhost\n")
    return base


def test_digest_changes_with_any_content_and_any_name(base: Path) -> None:
    seen = {digest(base)}
    (base / "packages").write_text("systemd\nsudo\n")
    seen.add(digest(base))
    (base / "files/etc/hosts").write_text("")
    seen.add(digest(base))
    (base / "files/etc/hosts").rename(base / "files/etc/other")
    seen.add(digest(base))
    assert len(seen) == 4


def test_what_bases_share_counts_for_each(base: Path) -> None:
    alone = digest(base)
    assert digest(base, base) != alone == digest(base)


def test_digest_of_equal_descriptions_is_equal(base: Path, tmp_path: Path) -> None:
    before = digest(base)
    base.rename(tmp_path / "moved")
    assert digest(tmp_path / "moved") == before


def test_only_this_debian_suite_is_taken_from_the_sources_of_the_machine() -> None:
    listed = """\
http://archive.example/debian/ bookworm main Debian bookworm
http://archive.example/debian/ bookworm-updates main Debian bookworm-updates
http://archive.example/security/ bookworm-security main Debian bookworm-security
http://archive.example/debian/ trixie main Debian trixie
https://vendor.example/apt bookworm main Vendor bookworm
flat/ /
"""
    assert debian_sources(listed) == (
        "deb http://archive.example/debian/ bookworm main\n"
        "deb http://archive.example/debian/ bookworm-updates main\n"
        "deb http://archive.example/security/ bookworm-security main\n"
    )


def test_machine_with_other_sources_gives_none() -> None:
    assert debian_sources("http://a.example/ubuntu/ noble main Ubuntu noble\n") == ""


def test_proxies_are_kept_and_other_options_are_not() -> None:
    dump = 'APT::Architecture "amd64";\nAcquire::http::Proxy "http://p.example:3142";\nAcquire::Languages "none";\n'
    assert reaching_options(dump) == 'Acquire::http::Proxy "http://p.example:3142";\n'


def test_unknown_root_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"'slackware'.*debian-apt, debian-rpm"):
        build_root(Folder(tmp_path), "slackware")


def test_each_base_has_every_part() -> None:
    for base in BASES.iterdir():
        once = {"setup.sh"} if base == COMMON else set()
        assert {path.name for path in base.iterdir()} == {"packages", "files", "finish.sh"} | once


def test_no_two_parts_of_a_base_have_the_same_file() -> None:
    common = {path.relative_to(COMMON) for path in COMMON.rglob("*") if path.is_file() and path.parent != COMMON}
    for name in base_names():
        assert not [path for path in common if (BASES / name / path).exists()]
