"""Debian packages and indexes, as dpkg and a deb822 parser read them."""

from __future__ import annotations

import hashlib
import subprocess
from email.parser import Parser
from pathlib import Path

import pytest

from amiforge.sandbox.deb import Suite, build_package, release_file, stanza
from tests.unit.sandbox.standin import make

NOBLE = Suite("noble-security", "main", "Ubuntu", "Ubuntu")


def deb(folder: Path, **fields: object) -> Path:
    (build,) = make("a", "1.2-3ubuntu1", repository="ubuntu", **fields)
    path = folder / f"{build.name}.deb"
    build_package(build, path)
    return path


def dpkg(*words: str | Path) -> str:
    return subprocess.run(["dpkg-deb", *map(str, words)], capture_output=True, text=True, check=True).stdout


@pytest.mark.subprocesses
def test_dpkg_reads_what_the_data_says(tmp_path: Path) -> None:
    path = deb(tmp_path, epoch=2, arch="noarch", requires=["b (= @EVR@)", "c | d"], provides=["e"], obsoletes=["f"])
    assert path.name == "a_1.2-3ubuntu1_all.deb"
    fields = ("Package", "Version", "Architecture", "Depends", "Provides", "Replaces")
    assert dpkg("--field", path, *fields).splitlines() == [
        "Package: a",
        "Version: 2:1.2-3ubuntu1",
        "Architecture: all",
        "Depends: b (= 2:1.2-3ubuntu1), c | d",
        "Provides: e",
        "Replaces: f",
    ]


@pytest.mark.subprocesses
def test_dpkg_unpacks_files_links_and_directories(tmp_path: Path) -> None:
    path = deb(
        tmp_path,
        files={"/usr/bin/a": "#!/bin/sh\necho @VERSION@\n", "/etc/a.conf": "x\n"},
        links={"/usr/bin/b": "a"},
    )
    dpkg("--extract", path, tmp_path / "root")
    assert subprocess.check_output([tmp_path / "root/usr/bin/b"]) == b"1.2\n"
    assert (tmp_path / "root/usr").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "root/usr/share/doc/a/STAND-IN").exists()
    assert dpkg("--info", path, "conffiles") == "/etc/a.conf\n"


@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("name", "field", "occasion", "other"),
    [
        ("postinst", "post", "configure", "abort-upgrade"),
        ("postinst", "posttrans", "configure", "abort-upgrade"),
        ("prerm", "preun", "upgrade", "failed-upgrade"),
        ("postrm", "postun", "remove", "purge"),
    ],
)
def test_scriptlets_run_on_the_occasions_that_rpm_knows(
    tmp_path: Path, name: str, field: str, occasion: str, other: str
) -> None:
    script = dpkg("--info", deb(tmp_path, **{field: "echo @NAME@"}), name)
    for argument, printed in ((occasion, b"a\n"), (other, b"")):
        assert subprocess.check_output(["sh", "-c", script, name, argument]) == printed


def test_an_index_names_each_package_with_place_size_and_hash(tmp_path: Path) -> None:
    (build,) = make("a", "1-1", repository="ubuntu")
    for path, shown in ((tmp_path / "a.deb", "./a.deb"), (tmp_path / "pool/a.deb", "pool/a.deb")):
        path.parent.mkdir(exist_ok=True)
        build_package(build, path)
        entry = Parser().parsestr(stanza(build, path, tmp_path))
        assert (entry["Package"], entry["Filename"]) == ("a", shown)
        assert (int(entry["Size"]), entry["SHA256"]) == (
            path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )


def test_a_release_file_names_suite_and_origin_and_a_flat_one_no_suite() -> None:
    release = Parser().parsestr(release_file(NOBLE, {"main/binary-amd64/Packages": b"x"}))
    assert (release["Suite"], release["Codename"], release["Origin"]) == ("noble-security", "noble", "Ubuntu")
    assert release["SHA256"].split() == [hashlib.sha256(b"x").hexdigest(), "1", "main/binary-amd64/Packages"]
    assert Parser().parsestr(release_file(Suite("/", "main", "NVIDIA", "NVIDIA"), {}))["Suite"] is None


def test_the_same_package_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    assert deb(tmp_path).read_bytes() == deb(tmp_path / "again").read_bytes()
