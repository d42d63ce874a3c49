"""Source images of the sandbox: what a bake starts from, made by real dnf out of the mirror, one layer each."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from amiforge.sandbox import layers
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import build_mirror, key_file, mirror_address, repository_folder
from amiforge.sandbox.process import locked
from amiforge.sandbox.root import build_root
from amiforge.sandbox.standins import STANDINS, Strict, fingerprint, read_toml
from amiforge.shell import quote

_REPOSITORIES = ("core", "nvidia", "sandbox")


class SourceData(Strict):
    """A source image as the data describes it."""

    name: str = Field(description="image name, as the vendor's")
    base: str = Field("", description="name of the source image it is made over; empty for the base root")
    description: str
    creation_date: str
    owner_id: str
    owner_alias: str = "amazon"
    parameters: tuple[str, ...] = Field(description="public SSM parameters that hold its id")
    values: dict[str, str] = Field({}, description="other public SSM parameters and what they hold")
    install: tuple[str, ...] = Field(description="packages that dnf installs")


@dataclass(frozen=True)
class SourceImage:
    """A source image on disk. `layers` are the file systems an instance of it stacks, top first, root last."""

    ami_id: str
    name: str
    owner_id: str
    owner_alias: str
    creation_date: str
    architecture: str
    root_device: str
    default_user: str
    description: str
    layers: tuple[Path, ...]
    parameters: tuple[str, ...]
    values: tuple[tuple[str, str], ...] = ()


def descriptions() -> tuple[SourceData, ...]:
    """Read the source images from the stand-in data; an image stands behind the one it is made over."""
    return tuple(SourceData.model_validate(entry) for entry in read_toml(STANDINS / "sources.toml")["image"])


def source_images(folder: Folder) -> list[SourceImage]:
    """Give all source images, made on first use (about half a minute beyond the base root) and kept.

    Raises:
        SandboxUnavailable: this machine lacks a program that makes them.
        CommandFailed: a package could not be built or installed.
    """
    root = build_root(folder)
    mirror = build_mirror(folder)
    made: dict[str, SourceImage] = {}
    with locked(folder.path / "sources.lock"):
        for data in descriptions():
            below = made[data.base].layers if data.base else (root,)
            made[data.name] = _source_image(folder, data, below, mirror)
    return list(made.values())


def build_sources(folder: Folder) -> None:
    """Make everything that source images need, so that the next use costs nothing."""
    source_images(folder)


def image_id(folder: Folder, data: SourceData, below: Path) -> str:
    """Give the id of a source image: the same one as long as it would be made in the same way."""
    recipe = json.dumps([data.model_dump(), fingerprint(), mirror_address(folder), below.parent.name, below.name])
    return f"ami-{hashlib.sha256(recipe.encode()).hexdigest()[:17]}"


def _source_image(folder: Folder, data: SourceData, below: tuple[Path, ...], mirror: Path) -> SourceImage:
    ami_id = image_id(folder, data, below[0])
    if not folder.layer(ami_id).exists():
        _make_layer(folder, ami_id, data, below, mirror)
    return SourceImage(
        ami_id=ami_id,
        name=data.name,
        owner_id=data.owner_id,
        owner_alias=data.owner_alias,
        creation_date=data.creation_date,
        architecture="x86_64",
        root_device="/dev/xvda",
        default_user="ec2-user",
        description=data.description,
        layers=(folder.layer(ami_id), *below),
        parameters=data.parameters,
        values=tuple(data.values.items()),
    )


def _make_layer(folder: Folder, ami_id: str, data: SourceData, below: tuple[Path, ...], mirror: Path) -> None:
    new = folder.images / f".{ami_id}.new"
    shutil.rmtree(new, ignore_errors=True)
    upper = new / folder.layer(ami_id).name
    upper.mkdir(parents=True)
    # the layer's own mode is that of `/` on the machine
    upper.chmod(0o755)
    repositories = (repository_folder(mirror, name).relative_to(mirror) for name in _REPOSITORIES)
    words = (key_file(mirror).relative_to(mirror), *repositories, "--", *data.install)
    script = (STANDINS / "source_image.sh").read_text()
    arguments = " ".join(quote(str(word)) for word in words)
    layers.run_in(below, upper, f"set -- {arguments}\n{script}", binds={mirror: "/mnt"})
    new.rename(folder.image(ami_id))
