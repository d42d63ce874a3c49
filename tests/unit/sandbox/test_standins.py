"""The stand-in data is complete, honest and consistent; wrong data is refused with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amiforge.errors import ConfigError
from amiforge.sandbox.artifacts import artifacts, efa_bundles
from amiforge.sandbox.mirror import repositories
from amiforge.sandbox.sources import descriptions
from amiforge.sandbox.standins import STANDINS, Build, Package, builds, packages

MIRROR = "http://127.0.0.1:8080"
CATALOG = tuple(builds(packages(), MIRROR))
PACKAGE = '[[package]]\nname = "jq"\nrepository = "core"\nversions = ["{version}"]\nsummary = "JSON"\n{more}'


def write(folder: Path, *, version: str = "1.7-1", more: str = "") -> Path:
    (folder / "some.toml").write_text(PACKAGE.format(version=version, more=more))
    return folder


def test_there_is_a_build_for_each_version() -> None:
    assert len(CATALOG) == sum(len(package.versions) for package in packages()) > 100


@pytest.mark.parametrize("build", CATALOG, ids=lambda build: build.name)
def test_every_package_carries_a_notice_that_names_it(build: Build) -> None:
    path, content = next(build.files())
    assert path.endswith("/STAND-IN")
    assert content.startswith(f"This is a stand-in for {build.name}, made by the amiforge sandbox.".encode())


@pytest.mark.parametrize("path", sorted((STANDINS / "files").iterdir()), ids=lambda path: path.name)
def test_every_program_says_that_it_is_a_stand_in(path: Path) -> None:
    shebang, first, *_ = path.read_text().splitlines()
    assert shebang == "#!/bin/sh"
    assert first.startswith("# Stand-in for")
    assert "made by the amiforge sandbox" in path.read_text()


@pytest.mark.parametrize("build", CATALOG, ids=lambda build: build.name)
def test_no_token_is_left_unfilled(build: Build) -> None:
    texts = [*(path.encode() for path, _ in build.files()), *(content for _, content in build.files())]
    scriptlets = (build.package.post, build.package.preun, build.package.postun, build.package.posttrans)
    texts += [build.fill(text).encode() for text in (*scriptlets, *build.package.requires, *build.package.provides)]
    assert [text for text in texts if re.search(rb"@[A-Z_]{3,}@", text)] == []


def test_every_package_lies_in_a_repository_of_the_mirror() -> None:
    assert {build.package.repository for build in CATALOG} == {repository.name for repository in repositories()}


def test_every_version_of_the_driver_family_is_there_for_each_of_its_packages() -> None:
    family = {
        package.name: {version.partition("-")[0] for version in package.versions}
        for package in packages()
        if re.fullmatch(r"kmod-nvidia-.*|nvidia-(driver|persistenced|fabricmanager|imex|kmod-common).*", package.name)
    }
    assert len(family) >= 9
    assert set(map(frozenset, family.values())) == {frozenset({"580.105.08", "580.126.20", "580.159.03", "595.91.07"})}


def test_the_kernel_and_its_companions_share_all_versions() -> None:
    versions = {package.versions for package in packages() if package.name.startswith("kernel6.12")}
    assert len(versions) == 1


def test_driver_installers_exist_for_the_versions_that_packages_have() -> None:
    driver = next(package for package in packages() if package.name == "nvidia-driver")
    run_files = next(artifact for artifact in artifacts() if artifact.kind == "nvidia-run")
    assert run_files.versions == tuple(version.partition("-")[0] for version in driver.versions)


@pytest.mark.parametrize("version", sorted(efa_bundles()))
def test_the_efa_installer_carries_known_packages_and_minimal_has_no_libfabric(version: str) -> None:
    bundle = efa_bundles()[version]
    known = {build.name for build in CATALOG if build.package.repository == "efa"}
    assert {*bundle.minimal, *bundle.full} <= known
    assert not [name for name in bundle.minimal if name.startswith(("libfabric", "openmpi", "libnccl", "efa-profile"))]
    assert [name for name in bundle.full if name.startswith("libfabric-aws")]


def test_efa_bundles_exist_for_each_version_of_the_installer() -> None:
    installer = next(artifact for artifact in artifacts() if artifact.kind == "efa")
    assert set(installer.versions) == set(efa_bundles())


def test_source_images_are_made_of_known_packages() -> None:
    known = {build.package.name for build in CATALOG}
    known |= {f"{build.package.name}-{build.version}" for build in CATALOG}
    known |= {build.name.rpartition(".")[0] for build in CATALOG}
    assert {name for image in descriptions() for name in image.install} <= known


def test_a_source_image_stands_behind_the_one_it_is_made_over() -> None:
    names: list[str] = []
    for image in descriptions():
        assert image.base in {"", *names}
        names.append(image.name)


def test_the_eks_image_is_found_by_its_public_parameter_and_name() -> None:
    eks = descriptions()[-1]
    folder = "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/nvidia/recommended"
    assert eks.parameters == (f"{folder}/image_id",)
    assert eks.values[f"{folder}/image_name"] == eks.name
    assert eks.name.startswith("amazon-eks-node-al2023-x86_64-nvidia-1.34-v")


def test_modules_hold_their_facts_and_leave_room_for_the_version_magic() -> None:
    build = next(build for build in CATALOG if build.name.startswith("kmod-nvidia-open-dkms-580.159.03"))
    module = dict(build.files())["/usr/src/nvidia-580.159.03/nvidia.ko"]
    assert module[64:192] == bytes(128)
    assert b"version=580.159.03\0license=Dual MIT/GPL\0" in module


def test_an_unknown_key_is_refused_with_file_and_package(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"some\.toml, package jq: version: Extra inputs"):
        packages(write(tmp_path, more='version = "1"'))


def test_what_is_not_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"some\.toml is not TOML: .*line 6"):
        packages(write(tmp_path, more="requires = = 1"))


def test_a_version_without_a_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stand-in jq: version '1\.7' is not version-release"):
        tuple(builds(packages(write(tmp_path, version="1.7")), MIRROR))


def test_texts_are_filled_with_version_release_and_epoch() -> None:
    package = Package(name="a", repository="core", versions=("1.2-3.amzn",), epoch=4, summary="s")
    build = next(builds((package,), MIRROR))
    assert build.fill("@NAME@ @EVR@ @KERNEL@ @VERSION@ @RELEASE@") == "a 4:1.2-3.amzn 1.2-3.amzn.x86_64 1.2 3.amzn"
