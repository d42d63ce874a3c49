"""The stand-in data is complete, honest and consistent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amiforge.sandbox.catalog import Image, read_catalog
from amiforge.sandbox.root import BASES, COMMON
from amiforge.sandbox.sources import ROOTS
from amiforge.sandbox.standins import STANDINS, Build
from tests.unit.sandbox.standin import ORIGIN, make

DATA = read_catalog()
BUILDS = tuple(DATA.builds(ORIGIN))
NAMES = {build.name for build in BUILDS}


def test_there_is_a_build_for_each_version() -> None:
    assert len(BUILDS) == sum(len(package.versions) for package in DATA.packages) > 200


def test_every_package_carries_a_notice_that_names_it() -> None:
    for build in BUILDS:
        path, content = next(build.files())
        assert path.endswith("/STAND-IN")
        assert content.startswith(f"This is a stand-in for {build.name}, made by the amiforge sandbox.".encode())


@pytest.mark.parametrize("path", sorted((STANDINS / "files").glob("*.sh")), ids=lambda path: path.name)
def test_every_program_says_that_it_is_a_stand_in(path: Path) -> None:
    shebang, first, *_ = path.read_text().splitlines()
    assert shebang in {"#!/bin/sh", "#!/bin/bash"}
    assert first.startswith("# Stand-in for")
    assert "made by the amiforge sandbox" in path.read_text()


def texts(build: Build) -> list[bytes]:
    package = build.package
    found = [text for path, content in build.files() for text in (path.encode(), content)]
    scripts = (package.post, package.preun, package.postun, package.posttrans)
    relations = (package.requires, package.provides, package.conflicts, package.obsoletes)
    return found + [
        build.fill(text).encode() for text in (*scripts, *(one for several in relations for one in several))
    ]


def test_no_token_is_left_unfilled() -> None:
    found = {build.name: text for build in BUILDS for text in texts(build) if re.search(rb"@[A-Z_]{3,}@", text)}
    assert found == {}


def test_every_repository_that_is_served_has_a_key_or_is_the_distribution_itself() -> None:
    for repository in DATA.repositories:
        assert bool(repository.path) >= bool(repository.key or repository.mirror_lists)
        assert repository.key or not repository.path or repository.origin == "Ubuntu" or repository.mirror_lists


def test_every_version_of_the_driver_family_is_there_for_each_of_its_packages() -> None:
    family = {
        package.name: frozenset(version.partition("-")[0] for version in package.versions)
        for package in DATA.packages
        if package.repository == ("nvidia",)
        and re.fullmatch(r"kmod-nvidia-.*|nvidia-(driver|persistenced|fabricmanager|imex|kmod-common).*", package.name)
    }
    assert len(family) >= 9
    assert len(set(family.values())) == 1


def test_the_kernel_and_its_companions_share_all_versions() -> None:
    versions = {package.versions for package in DATA.packages if package.name.startswith("kernel6.12")}
    assert len(versions) == 1


def test_driver_installers_exist_for_the_versions_that_packages_have() -> None:
    driver = next(package for package in DATA.packages if package.name == "nvidia-driver")
    runs = next(artifact for artifact in DATA.artifacts if artifact.path.startswith("us.download.nvidia.com"))
    assert {version.partition("-")[0] for version in driver.versions} <= set(runs.versions)


def test_artifacts_carry_known_packages() -> None:
    for artifact in DATA.artifacts:
        carried = (*artifact.packages.values(), (artifact.package,) if artifact.package else ())
        for version in artifact.versions:
            assert {name.replace("@VERSION@", version) for names in carried for name in names} <= NAMES


def test_what_is_signed_names_the_key() -> None:
    assert [artifact.path for artifact in DATA.artifacts if artifact.signed and not artifact.key] == []


@pytest.mark.parametrize("image", DATA.images, ids=lambda image: image.name)
def test_source_images_are_made_of_packages_that_are_there(image: Image) -> None:
    root = (COMMON, BASES / ROOTS[image.system])
    known = {name for part in root for name in (part / "packages").read_text().split()}
    for build in BUILDS:
        if set(build.package.repository) & set(image.repositories):
            name = build.package.name
            known |= {name, f"{name}-{build.version}", f"{name}-{build.full_version}", f"{name}={build.evr}"}
    assert set(image.install) <= known


def test_source_images_and_their_parameters_are_told_apart() -> None:
    parameters = [name for image in DATA.images for name in (*image.parameters, *image.values)]
    assert len(parameters) == len(set(parameters))
    assert len(DATA.images) == len({image.name for image in DATA.images})


def test_the_eks_image_is_found_by_its_public_parameter_and_name() -> None:
    eks = next(image for image in DATA.images if image.name.startswith("amazon-eks-node-al2023-x86_64-nvidia-1.34-v"))
    folder = "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/nvidia/recommended"
    assert eks.parameters == (f"{folder}/image_id",)
    assert eks.values[f"{folder}/image_name"] == eks.name


def test_modules_hold_their_facts_and_leave_room_for_the_version_magic() -> None:
    build = next(build for build in BUILDS if build.name.startswith("kmod-nvidia-open-dkms-580.159.03"))
    module = dict(build.files())["/usr/src/nvidia-580.159.03/nvidia.ko"]
    assert module[64:192] == bytes(128)
    assert b"version=580.159.03\0license=Dual MIT/GPL\0" in module


def test_texts_are_filled_with_version_release_and_epoch() -> None:
    (build,) = make("a", "1.2-3.amzn", epoch=4)
    assert build.fill("@NAME@ @EVR@ @KERNEL@ @VERSION@ @RELEASE@") == "a 4:1.2-3.amzn 1.2-3.amzn.x86_64 1.2 3.amzn"


def test_a_deb_is_filled_in_the_way_of_its_distribution() -> None:
    (build,) = make("linux-image-@KERNEL@", "6.8.0-1044.46~22.04.1", repository="ubuntu")
    assert (build.package.name, build.evr) == ("linux-image-6.8.0-1044-aws", "6.8.0-1044.46~22.04.1")
    assert build.name == "linux-image-6.8.0-1044-aws_6.8.0-1044.46~22.04.1_amd64"


def test_the_key_of_the_mirror_can_be_in_a_package() -> None:
    (build,) = make("a", files={"/key.asc": "@KEY@"})
    assert dict(build.files())["/key.asc"] == b"the key"
