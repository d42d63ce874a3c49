"""Whole bakes at the sandbox's endpoint: a recipe of nothing beside Packer's own, and `eks_gpu`."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.process import Finished, timed
from tests.bench.table import Row, below, not_measured, within
from tests.bench.tools import REPOSITORY
from tests.sandbox.cloud import Cloud

_EMPTY = "bake of an empty recipe"


def empty_bakes(cloud: Cloud, folder: Path, runs: int) -> Iterator[Row]:
    """Measure the bake of an empty recipe: as far as Packer goes, and with the image booted and verified.

    Packer looks at EC2 every second here; by default it would every few, which only helps us.
    """
    if not shutil.which("packer"):
        yield not_measured(_EMPTY, "≤ 1.5x Packer's time", "sudo apt-get install packer")
        return
    # in turns, so that whatever else this machine does disturbs all alike
    turns = [
        (_packer(cloud, folder, number), _empty(cloud, folder, "skip", number), _empty(cloud, folder, "verify", number))
        for number in range(runs)
    ]
    packer, unverified, verified = map(median, zip(*turns, strict=True))
    yield within(f"{_EMPTY}, not verified (as Packer)", unverified, "Packer", packer, most=1.5)
    yield within(f"{_EMPTY}, image booted and verified", verified, "Packer", packer, most=1.5)


def eks_gpu(cloud: Cloud, folder: Path) -> Iterator[Row]:
    """Measure the command that people type."""
    place = folder / "eks_gpu"
    place.mkdir(exist_ok=True)
    (place / "amiforge.toml").write_text(f'[bake]\nimage_name = "{cloud.key_name}-eks-{{run}}"\n')
    words = [str(Path(sys.executable).parent / "amiforge"), "bake", "eks_gpu", "--sandbox"]
    finished = timed(words, environment=dict(os.environ), folder=place)
    _tell("eks_gpu", finished)
    yield below("bake eks_gpu --sandbox, base cached", finished.seconds, most=60)


def _empty(cloud: Cloud, folder: Path, verify: str, number: int) -> float:
    name = f"{cloud.key_name}-ours-{verify}-{number}"
    words = [cloud.endpoint.url, cloud.endpoint.region, name, str(folder / "runs"), verify]
    environment = {**os.environ, **cloud.endpoint.environment()}
    finished = timed(
        [sys.executable, "-m", "tests.bench.bake_empty", *words], environment=environment, folder=REPOSITORY
    )
    _tell(f"empty bake, {verify}", finished)
    return finished.seconds


def _packer(cloud: Cloud, folder: Path, number: int) -> float:
    place = folder / "packer"
    place.mkdir(exist_ok=True)
    template = place / "template.json"
    template.write_text(json.dumps({"builders": [packer_builder(cloud, f"{cloud.key_name}-packer-{number}")]}))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "PACKER_CONFIG_DIR": str(place),
        "CHECKPOINT_DISABLE": "1",
        "AWS_POLL_DELAY_SECONDS": "1",
    }
    finished = timed(["packer", "build", "-color=false", template], environment=environment, folder=place)
    _tell("Packer", finished)
    return finished.seconds


def packer_builder(cloud: Cloud, name: str) -> dict[str, Any]:
    """Give Packer's builder for the same: our key, because its own are RSA signed with SHA-1, which no sshd takes."""
    return {
        "type": "amazon-ebs",
        "access_key": cloud.endpoint.access_key_id,
        "secret_key": cloud.endpoint.secret_access_key,
        "region": cloud.endpoint.region,
        "custom_endpoint_ec2": cloud.endpoint.url,
        "skip_region_validation": True,
        "skip_metadata_api_check": True,
        "source_ami": cloud.source(),
        "instance_type": "m6i.4xlarge",
        "ssh_username": "ec2-user",
        "ssh_keypair_name": cloud.key_name,
        "ssh_private_key_file": str(cloud.key),
        "ami_name": name,
    }


def _tell(what: str, finished: Finished) -> None:
    sys.stderr.write(f"  {what}: {finished.seconds:.1f} s\n{finished.output[-2500:]}\n")
