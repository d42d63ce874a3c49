"""The Neuron driver: pins of an SDK, versions with a hash behind them, and a transaction that waits for no internet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import Run, VendorInstall
from amiforge.shell import Command
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.neuron_driver import SDKS, NeuronDriver

KERNEL = "6.12.110-135.202.amzn2023.x86_64"
AL2023 = System(os=by_name("al2023"), kernel=KERNEL, default_kernel=KERNEL)
PINS = (
    "aws-neuronx-collectives 2.34.10.0 aws-neuronx-dkms 2.30.2.0"
    " aws-neuronx-runtime-lib 2.34.10.0 aws-neuronx-tools 2.32.28.0"
)


def install(task: NeuronDriver, system: System = AL2023) -> VendorInstall:
    [found] = [item.resource for item in lay_out([task], system) if isinstance(item.resource, VendorInstall)]
    return found


def test_every_sdk_whose_packages_are_known_can_be_chosen_and_no_other() -> None:
    assert set(get_args(NeuronDriver.model_fields["sdk"].annotation)) == set(SDKS)
    with pytest.raises(ValidationError):
        NeuronDriver.model_validate({"sdk": "2.31.0"})


def test_an_sdk_says_the_version_of_every_package() -> None:
    assert install(NeuronDriver()).version == PINS


def test_inf1_takes_the_last_driver_that_knows_it_and_everything_else_of_the_sdk() -> None:
    pins = NeuronDriver(inf1=True).pins
    assert pins == {**NeuronDriver().pins, "aws-neuronx-dkms": "2.24.13.0"}


def test_amazon_linux_2_has_its_last_sdk_and_no_later_one() -> None:
    amzn2 = System(os=by_name("amzn2"))
    assert "aws-neuronx-dkms 2.17.17.0" in install(NeuronDriver(sdk="2.19.1"), amzn2).version
    with pytest.raises(RecipeError, match="does not support Amazon Linux 2"):
        lay_out([NeuronDriver()], amzn2)


def test_there_are_no_neuron_devices_beside_arm() -> None:
    with pytest.raises(RecipeError, match="neuron_driver does not exist"):
        lay_out([NeuronDriver()], System(os=by_name("al2023"), arch="aarch64"))


def test_headers_come_before_the_driver_and_the_hold_after_the_module() -> None:
    assert [item.resource.name for item in lay_out([NeuronDriver()], AL2023)] == [
        "packages dkms",
        "packages kernel6.12-devel, kernel6.12-headers",
        "repository neuron",
        "install Neuron",
        f"run build neuron 2.30.2.0 for {KERNEL}",
        "file /etc/profile.d/neuron.sh",
        "hold of aws-neuronx-*",
    ]


def test_the_module_is_built_for_the_kernel_that_boots_next() -> None:
    [build] = [item.resource for item in lay_out([NeuronDriver()], AL2023) if isinstance(item.resource, Run)]
    assert build.command.args[-3:] == ("-k", KERNEL, "--force")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("al2023", "dnf -y install -- aws-neuronx-collectives-2.34.10.0* aws-neuronx-dkms-2.30.2.0*"),
        ("ubuntu2404", "apt-get -y install aws-neuronx-collectives=2.34.10.0 aws-neuronx-dkms=2.30.2.0"),
    ],
)
def test_the_hash_behind_a_version_is_left_open(name: str, shown: str) -> None:
    command = str(install(NeuronDriver(), System(os=by_name(name))).install)
    assert command.replace("'", "").startswith(shown)


def programs(folder: Path, texts: dict[str, str]) -> dict[str, str]:
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


RPM = """
case $1 in -e) echo "rpm $*" >>"${0%/*}/asked"; exit ;; esac
echo 'aws-neuronx-tools 2.32.28.0'
echo 'package aws-neuronx-oci-hook is not installed'
echo 'aws-neuronx-dkms 2.30.2.0'
echo 'aws-neuronx-collectives 2.34.10.0_4c1d8e7a2'
echo 'aws-neuronx-runtime-lib 2.34.10.0_b7e50f91c'
"""
DPKG = """
echo 'ii aws-neuronx-tools 2.32.28.0'
echo 'hi aws-neuronx-dkms 2.30.2.0'
echo 'rc aws-neuronx-oci-hook 2.9.0.0-1'
echo 'ii aws-neuronx-collectives 2.34.10.0-4c1d8e7a2'
echo 'ii aws-neuronx-runtime-lib 2.34.10.0-b7e50f91c'
"""


@pytest.mark.shell
@pytest.mark.parametrize("name", ["al2023", "ubuntu2404"])
def test_installed_versions_are_read_without_their_hashes(name: str, tmp_path: Path) -> None:
    observe = install(NeuronDriver(), System(os=by_name(name))).observe
    assert isinstance(observe, Command)
    path = programs(tmp_path, {"rpm": RPM, "dpkg-query": DPKG})
    done = subprocess.run(["sh", "-c", observe.text()], capture_output=True, text=True, check=True, env=path)
    assert done.stdout.strip() == PINS


@pytest.mark.shell
def test_a_program_that_would_wait_for_the_internet_is_replaced_for_the_transaction_alone(tmp_path: Path) -> None:
    path = programs(
        tmp_path,
        {
            "update-pciids": "sleep 60",
            "unshare": f'shift 2; echo "apart" >>{tmp_path}/asked; exec "$@"',
            "mount": f'[ -x "$3" ] && echo "mount $3 $4" >>{tmp_path}/asked',
            "rpm": RPM,
            "dnf": f'echo "dnf $*" >>{tmp_path}/asked',
        },
    )
    text = install(NeuronDriver()).install.text()
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, env=path)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:2] == ["apart", f"mount /bin/true {tmp_path}/update-pciids"]
    assert asked[2].startswith("dnf -q --disablerepo=* versionlock delete")
    assert asked[3].startswith("rpm -e --nodeps -- aws-neuronx-tools aws-neuronx-dkms")
    assert asked[4].startswith("dnf -y install -- aws-neuronx-collectives-2.34.10.0*")
