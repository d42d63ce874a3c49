"""Every source image that a recipe can start from is there, found as a bake finds it, and boots."""

from __future__ import annotations

from pathlib import Path

import pytest

from amiforge import recipes
from amiforge.ec2.resolve import resolve
from amiforge.ec2.session import Clients, open_clients
from amiforge.ec2.source_image import (
    al2023_image,
    amzn2_image,
    dlami_image,
    dlami_neuron_image,
    eks_image,
    eks_ubuntu_image,
    pcluster_image,
    ubuntu_image,
)
from amiforge.sandbox.catalog import read_catalog
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.settings import AwsSettings
from amiforge.systems import identify
from tests.sandbox.bench import launched
from tests.sandbox.cloud import Cloud

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

SOURCES = {
    "al2023": al2023_image(),
    "amzn2": amzn2_image(),
    "ubuntu2204": ubuntu_image("ubuntu2204"),
    "ubuntu2404": ubuntu_image("ubuntu2404"),
    "eks al2023": eks_image(),
    "eks ubuntu2404": eks_ubuntu_image(),
    **{f"pcluster {os}": pcluster_image(os) for os in ("al2023", "amzn2", "ubuntu2204", "ubuntu2404")},
    **{f"dlami {os}": dlami_image(os) for os in ("al2023", "ubuntu2204", "ubuntu2404")},
    **{f"dlami neuron {os}": dlami_neuron_image(os) for os in ("al2023", "ubuntu2404")},
}
#: What a bake of the image relies on, beyond its operating system: sh text that succeeds where it is.
BRINGS = {
    "eks": "command -v kubelet",
    "pcluster": "grep -qx aws-parallelcluster-cookbook-3.15.1 /opt/parallelcluster/.bootstrapped"
    " && /opt/slurm/bin/scontrol --version",
    "dlami neuron": "modinfo -k $(uname -r) neuron && ls /opt/aws/neuron/bin",
    "dlami": "modinfo -k $(uname -r) nvidia && nvidia-ctk --version && docker --version && ls /usr/local/cuda/bin/nvcc",
}
ASK = """
. /etc/os-release
echo "$ID $VERSION_ID"
systemctl --failed --no-legend --plain
cloud-init status
"""


@pytest.fixture(scope="module")
def clients(endpoint: Endpoint) -> Clients:
    return open_clients(AwsSettings(region=endpoint.region, endpoint_url=endpoint.url))


@pytest.mark.parametrize("title", SOURCES)
def test_a_source_image_boots_with_its_user_and_nothing_failed(
    title: str, cloud: Cloud, own_folder: Folder, tmp_path: Path
) -> None:
    source = SOURCES[title]
    host = launched(cloud, own_folder, source).host(tmp_path)
    release, *rest = host.run(ASK).stdout.decode().splitlines()
    assert identify(*release.split()).name == source.os
    assert rest == ["status: done"]
    for family, command in BRINGS.items():
        if title.startswith(family):
            assert host.run(command).status == 0
            break
    host.close()


@pytest.mark.parametrize("title", SOURCES)
def test_parameter_and_name_mean_the_same_image(title: str, clients: Clients) -> None:
    source = SOURCES[title]
    ways = [
        source.model_copy(update={other: ""})
        for way, other in (("parameter", "name"), ("name", "parameter"))
        if getattr(source, way)
    ]
    assert len({resolve(clients, way).ami for way in ways}) == 1


def test_every_source_image_of_the_sandbox_is_one_that_a_bake_can_start_from(clients: Clients) -> None:
    found = {resolve(clients, source).name for source in SOURCES.values()}
    assert {image.name for image in read_catalog().images} == found


def test_every_source_image_of_a_recipe_is_among_those_that_boot_here() -> None:
    known = {(source.parameter, source.name) for source in SOURCES.values()}
    sources = [source for name in recipes.names() for source in recipes.find(name).sources]
    assert {(each.parameter, each.name) for each in sources if each.architecture == "x86_64"} <= known
