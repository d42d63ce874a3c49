from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from amiforge.engine.events import KeyRecorded
from amiforge.engine.failure import explain
from amiforge.engine.lockfile import recorded
from amiforge.engine.plan import Planned
from amiforge.errors import ChecksumMismatch, RecipeError
from amiforge.resources.file import File
from amiforge.resources.repository import Repository
from amiforge.systems import by_name
from amiforge.systems.apt import Apt
from amiforge.systems.dnf import Dnf
from amiforge.systems.system import System
from amiforge.systems.trust import Trust
from tests.realshell import ask, converge, differing, run
from tests.unit.resources.test_signing_key import FINGERPRINT, KEY

AL2023, AMZN2, JAMMY, NOBLE = (System(by_name(name)) for name in ("al2023", "amzn2", "ubuntu2204", "ubuntu2404"))
NEURON = Repository(
    "neuron",
    "https://yum.repos.neuron.amazonaws.com",
    key_url="https://yum.repos.neuron.amazonaws.com/KEY.PUB",
    key_fingerprint=" ".join(FINGERPRINT[start : start + 4] for start in range(0, 40, 4)),
    settings={"metadata_expire": "0"},
)
DOCKER = Repository(
    "docker",
    "https://download.docker.com/linux/ubuntu",
    key_url="https://download.docker.com/linux/ubuntu/gpg",
    components="stable",
    settings={"Architectures": "amd64"},
)


def written(resource: Repository, system: System) -> str:
    text = resource._files(system)[""].content
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("system", [AL2023, AMZN2], ids=lambda system: system.os.name)
def test_rpm_file_always_checks_signatures_with_the_repositorys_own_key(system: System) -> None:
    assert written(NEURON, system).splitlines() == [
        "[neuron]",
        "name=neuron",
        "baseurl=https://yum.repos.neuron.amazonaws.com",
        "enabled=1",
        "metadata_expire=0",
        "gpgcheck=1",
        "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-neuron",
    ]


@pytest.mark.parametrize(("signed", "checks"), [(True, ["repo_gpgcheck=1", "gpgcheck=1"]), (False, ["gpgcheck=1"])])
def test_rpm_packages_are_checked_and_where_it_is_signed_the_index_too(signed: bool, checks: list[str]) -> None:
    lines = written(replace(NEURON, signed_index=signed), AL2023).splitlines()
    assert [line for line in lines if "gpgcheck" in line] == checks


@pytest.mark.parametrize(("system", "codename"), [(JAMMY, "jammy"), (NOBLE, "noble")])
def test_deb_file_is_signed_by_its_own_key_only(system: System, codename: str) -> None:
    assert written(DOCKER, system).splitlines() == [
        "Types: deb",
        "URIs: https://download.docker.com/linux/ubuntu",
        f"Suites: {codename}",
        "Components: stable",
        "Architectures: amd64",
        "Signed-By: /etc/apt/keyrings/docker.asc",
    ]


@pytest.mark.parametrize(
    ("resource", "system", "keys", "expected"),
    [
        (
            NEURON,
            AL2023,
            {"type", "content", "key"},
            [
                "fetch signing key https://yum.repos.neuron.amazonaws.com/KEY.PUB",
                "write /etc/yum.repos.d/neuron.repo (",
                "dnf -y --refresh --repo=neuron makecache",
            ],
        ),
        (
            NEURON,
            AMZN2,
            {"content"},
            [
                "write /etc/yum.repos.d/neuron.repo (",
                "yum -y '--disablerepo=*' --enablerepo=neuron makecache fast",
            ],
        ),
        (
            DOCKER,
            NOBLE,
            {"key"},
            ["fetch signing key https://download.docker.com/linux/ubuntu/gpg", "apt-get update"],
        ),
        (
            replace(DOCKER, present=False),
            JAMMY,
            {"type", "key"},
            [
                "rm -f -- /etc/apt/sources.list.d/docker.sources",
                "rm -f -- /etc/apt/keyrings/docker.asc",
            ],
        ),
    ],
)
def test_commands(resource: Repository, system: System, keys: set[str], expected: list[str]) -> None:
    commands = [str(change.command) for change in resource.changes(frozenset(keys), system)]
    assert len(commands) == len(expected)
    assert all(command.startswith(start) for command, start in zip(commands, expected, strict=True)), commands


def test_everything_that_downloads_comes_from_the_mirror() -> None:
    mirrored = replace(AL2023, mirror="http://127.0.0.9:80/m")
    resource = replace(NEURON, settings={"mirrorlist": "https://list.example/a"})
    assert "baseurl=http://127.0.0.9:80/m/yum.repos.neuron.amazonaws.com\n" in written(resource, mirrored)
    assert "mirrorlist=http://127.0.0.9:80/m/list.example/a\n" in written(resource, mirrored)
    fetch = next(resource.changes(frozenset({"key"}), mirrored))
    assert fetch.command.args[0] == "http://127.0.0.9:80/m/yum.repos.neuron.amazonaws.com/KEY.PUB"


def test_the_packages_of_a_repository_can_be_narrowed_and_preferred() -> None:
    resource = replace(DOCKER, only=("docker-ce", "containerd.io*"), preferred=True, release="o=Docker")
    assert resource._files(NOBLE)["preferences "] == File(
        "/etc/apt/preferences.d/docker.pref",
        "Package: docker-ce containerd.io*\nPin: release o=Docker\nPin-Priority: 600\n"
        "\nPackage: *\nPin: release o=Docker\nPin-Priority: -1\n",
    )
    assert {"includepkgs=docker-ce containerd.io*", "priority=1"} <= set(written(resource, AL2023).splitlines())
    assert set(resource._files(AL2023)) == {""}
    for gone in (DOCKER, replace(resource, present=False)):
        assert gone._files(NOBLE)["preferences "].present is False


def test_apt_is_told_a_repository_by_its_release_file_not_its_host() -> None:
    with pytest.raises(RecipeError, match="cannot tell the packages of repository docker"):
        replace(DOCKER, preferred=True).desired(NOBLE)


def test_the_key_in_the_lock_file_wins_over_the_recipes() -> None:
    locked = replace(AL2023, trust=Trust(fingerprints={NEURON.key_url: "B" * 40}))
    assert NEURON.desired(locked)["key"] == "B" * 40
    assert next(NEURON.changes(frozenset({"key"}), locked)).command.args[2] == "B" * 40


@pytest.mark.parametrize(
    "build",
    [
        lambda: replace(NEURON, id="../x"),
        lambda: replace(NEURON, id="a]\n[b"),
        lambda: replace(NEURON, url="ftp://x/y"),
        lambda: replace(NEURON, url="https://x/\ngpgcheck=0"),
        lambda: replace(NEURON, key_url="/etc/key"),
        lambda: replace(NEURON, key_url="http://yum.repos.neuron.amazonaws.com/KEY.PUB"),
        lambda: replace(NEURON, only=("a b",)),
        lambda: replace(NEURON, only=("-x",)),
        lambda: replace(DOCKER, release="o=Docker\nPin-Priority: 1001"),
        lambda: replace(NEURON, key_fingerprint="D42D0685"),
        lambda: replace(NEURON, settings={"gpgcheck": "0"}),
        lambda: replace(NEURON, settings={"sslverify": "0"}),
        lambda: replace(NEURON, settings={"GPGKEY": "file:///x"}),
        lambda: replace(DOCKER, settings={"Trusted": "yes"}),
        lambda: replace(DOCKER, settings={"Architectures": "amd64\nTrusted: yes"}),
        lambda: replace(DOCKER, components="main\nTrusted: yes"),
    ],
)
def test_impossible_and_unsafe_wishes_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(RecipeError):
        build()


@dataclass(frozen=True, slots=True)
class DnfElsewhere(Dnf):
    """dnf, with its files in a folder of the test."""

    folder: str = ""

    def key_path(self, repository: str) -> str:
        return f"{self.folder}/keys/{repository}"

    def repository_path(self, repository: str) -> str:
        return f"{self.folder}/{repository}.repo"


@dataclass(frozen=True, slots=True)
class AptElsewhere(Apt):
    """apt, with its files in a folder of the test."""

    folder: str = ""

    def key_path(self, repository: str) -> str:
        return f"{self.folder}/keys/{repository}.asc"

    def repository_path(self, repository: str) -> str:
        return f"{self.folder}/{repository}.sources"

    def preferences_path(self, repository: str) -> str:
        return f"{self.folder}/{repository}.pref"


class Vendor:
    """A folder in place of a host's files, with a curl that copies what the vendor publishes."""

    def __init__(self, folder: Path, system: System, manager: DnfElsewhere | AptElsewhere) -> None:
        self.system = replace(system, os=replace(system.os, packages=manager))
        self.key = folder / "published"
        self.key.write_text(KEY)
        programs = folder / "bin"
        programs.mkdir()
        for name, text in {
            "curl": f'while [ "$1" != -o ]; do shift; done\nexec cp {self.key} "$2"\n',
            **dict.fromkeys(("dnf", "apt-get", "touch"), ":\n"),
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}")
            (programs / name).chmod(0o755)
        self.prelude = f"PATH={programs}:$PATH"

    def plan(self, resource: Repository) -> Planned:
        return ask(resource, self.system, prelude=self.prelude)


@pytest.fixture(params=["dnf", "apt"])
def vendor(request: pytest.FixtureRequest, tmp_path: Path) -> Vendor:
    if request.param == "dnf":
        return Vendor(tmp_path, AL2023, DnfElsewhere(folder=str(tmp_path)))
    return Vendor(tmp_path, NOBLE, AptElsewhere(folder=str(tmp_path)))


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("gpg"), reason="writes root's files and needs gpg")
def test_law(vendor: Vendor, tmp_path: Path) -> None:
    planned = vendor.plan(NEURON)
    assert differing(planned) == {"type", "content", "owner", "group", "mode", "key"}
    converge(planned, prelude=vendor.prelude)
    assert vendor.plan(NEURON).as_wanted

    narrowed = replace(NEURON, only=("aws-neuronx-*",), preferred=True, release="o=Neuron")
    assert {key.rpartition(" ")[2] for key in differing(vendor.plan(narrowed))} >= {"content"}
    converge(vendor.plan(narrowed), prelude=vendor.prelude)
    assert vendor.plan(narrowed).as_wanted
    converge(vendor.plan(NEURON), prelude=vendor.prelude)
    assert vendor.plan(NEURON).as_wanted
    assert vendor.plan(replace(NEURON, key_fingerprint="")).as_wanted

    key = Path(vendor.system.os.packages.key_path("neuron"))
    key.write_text("tampered with")
    assert differing(vendor.plan(NEURON)) == {"key"}
    converge(vendor.plan(NEURON), prelude=vendor.prelude)
    assert key.read_text() == KEY
    Path(vendor.system.os.packages.repository_path("neuron")).write_text("[neuron]\ngpgcheck=0\n")
    assert differing(vendor.plan(NEURON)) == {"content"}
    converge(vendor.plan(NEURON), prelude=vendor.prelude)
    assert vendor.plan(NEURON).as_wanted

    gone = replace(NEURON, present=False)
    converge(vendor.plan(gone), prelude=vendor.prelude)
    assert vendor.plan(gone).as_wanted
    assert not list((tmp_path / "keys").iterdir())


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.skipif(not shutil.which("gpg"), reason="needs gpg")
def test_a_key_with_another_fingerprint_is_not_put_in_place(vendor: Vendor, tmp_path: Path) -> None:
    resource = replace(NEURON, key_fingerprint="0" * 40)
    fetch = vendor.plan(resource).changes[0]
    answer = run(fetch, prelude=vendor.prelude)
    error = explain(fetch, answer.status, answer.stderr.decode())
    assert isinstance(error, ChecksumMismatch)
    assert FINGERPRINT in error.message
    assert not list((tmp_path / "keys").iterdir())


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.skipif(not shutil.which("gpg"), reason="needs gpg")
def test_a_key_of_which_nothing_is_known_is_recorded_under_its_own_address_and_enforced(vendor: Vendor) -> None:
    unknown = replace(NEURON, key_fingerprint="")
    vendor.system = replace(vendor.system, mirror="http://mirror.example")
    fetch = vendor.plan(unknown).changes[0]
    assert fetch.job
    output = run(fetch, prelude=vendor.prelude).stdout.decode()
    assert [(event.url, event.fingerprint) for event in recorded(output) if isinstance(event, KeyRecorded)] == [
        (NEURON.key_url, FINGERPRINT)
    ]
    vendor.system = replace(vendor.system, trust=Trust(fingerprints={NEURON.key_url: FINGERPRINT}))
    assert "key" not in differing(vendor.plan(unknown))
    vendor.system = replace(vendor.system, trust=Trust(fingerprints={NEURON.key_url: "0" * 40}))
    assert "key" in differing(vendor.plan(unknown))
    assert run(vendor.plan(unknown).changes[0], prelude=vendor.prelude).status == 65


@pytest.mark.shell
@pytest.mark.subprocesses
def test_a_page_of_the_vendor_is_no_key(vendor: Vendor, tmp_path: Path) -> None:
    vendor.key.write_text("<html>not found</html>")
    answer = run(vendor.plan(NEURON).changes[0], prelude=vendor.prelude)
    assert answer.status == 65
    assert b"is no armored OpenPGP public key" in answer.stderr
    assert not list((tmp_path / "keys").iterdir())
