"""DCGM: one version of one major, for the driver's CUDA, as services that wait for a GPU."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import Packages, Service
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.nvidia_dcgm import NvidiaDcgm

AL2023, UBUNTU = System(os=by_name("al2023")), System(os=by_name("ubuntu2404"))


def names(task: NvidiaDcgm, there: System = AL2023) -> list[str]:
    return [item.resource.name for item in lay_out([task], there)]


@pytest.mark.parametrize("there", [AL2023, UBUNTU], ids=["al2023", "ubuntu2404"])
@pytest.mark.parametrize("cuda", [12, 13])
def test_all_packages_have_one_version_and_the_drivers_cuda(there: System, cuda: int) -> None:
    items = lay_out([NvidiaDcgm.model_validate({"cuda": cuda})], there)
    [packages] = [item.resource for item in items if isinstance(item.resource, Packages)]
    wanted = packages.desired(there)
    assert set(wanted.values()) == {"4.6.1"}
    suffixes = {name.removeprefix("datacenter-gpu-manager-4-") for name in wanted}
    assert suffixes == {"core", f"cuda{cuda}", "proprietary", f"proprietary-cuda{cuda}"}


def test_older_versions_go_first_and_services_know_their_device_before_they_come() -> None:
    order = names(NvidiaDcgm())
    [packages] = [each for each in order if each.startswith("packages")]
    assert order.index("run remove other versions of DCGM") < order.index(packages)
    assert order.index("file /etc/systemd/system/nvidia-dcgm.service.d/10-device.conf") < order.index(packages)
    assert order[-1] == "hold of datacenter-gpu-manager*"


def test_services_start_at_boot_and_not_while_the_image_is_made() -> None:
    items = lay_out([NvidiaDcgm(exporter=True)], AL2023)
    services = {item.resource.unit: item.resource for item in items if isinstance(item.resource, Service)}
    assert set(services) == {"nvidia-dcgm.service", "nvidia-dcgm-exporter.service"}
    assert all("active" not in service.desired(AL2023) for service in services.values())
    assert all(service.desired(AL2023)["enabled"] == "enabled" for service in services.values())


def test_the_exporter_is_a_choice_with_a_version_of_its_own() -> None:
    assert not any("exporter" in each for each in names(NvidiaDcgm()))
    task = NvidiaDcgm(exporter=True, exporter_version="4.8.3")
    assert "packages datacenter-gpu-manager-exporter" in names(task)
    assert [each.version for each in task.software(UBUNTU)] == ["4.6.1", "4.8.3"]


@pytest.mark.parametrize("options", [{"version": "3.3.9"}, {"cuda": 11}, {"exporter_version": "latest"}])
def test_impossible_versions_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NvidiaDcgm.model_validate(options)


def test_amazon_linux_2_has_no_dcgm_4() -> None:
    with pytest.raises(RecipeError, match="does not exist for amzn2"):
        lay_out([NvidiaDcgm()], System(os=by_name("amzn2")))
