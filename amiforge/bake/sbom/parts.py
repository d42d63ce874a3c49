"""The parts of an image, in the terms that both formats have."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from packageurl import PackageURL

from amiforge.bake.inventory import Inventory, Module, Package
from amiforge.bake.manifest import Artifact, Manifest

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "amiforge")
_DEB_DISTRIBUTIONS = ("debian", "ubuntu")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an image, or one download that it was made of.

    Attributes:
        id: the same in every document about this image, and in none twice.
        licence: as the package says it, be it an SPDX expression or not.
        place: where it is on the image; empty where the package manager knows.
    """

    id: str
    kind: Literal["package", "kernel", "module", "download"]
    name: str
    version: str = ""
    purl: str = ""
    licence: str = ""
    supplier: str = ""
    sha256: str = ""
    url: str = ""
    place: str = ""


def parts(made: Manifest) -> Iterator[Part]:
    """Give the packages, the kernel, modules that did not come with it, and what was downloaded; each once."""
    found = made.inventory
    every = (
        *(_package(each, found) for each in found.packages),
        _kernel(found),
        *(_module(each) for each in found.modules if not each.dkms),
        *(_download(each) for each in made.artifacts if each.kind in {"file", "checkout"}),
    )
    yield from {part.id: part for part in every}.values()


def identity(made: Manifest) -> uuid.UUID:
    """Give what tells the image from every other one: the same for the same image, whenever it is asked for."""
    return uuid.uuid5(_NAMESPACE, f"{made.run} {made.image}")


def finished(made: Manifest) -> datetime:
    """Give when the image was finished: the time of a document about it."""
    return datetime.fromisoformat(made.finished)


def _id(kind: str, name: str, *rest: str) -> str:
    digest = hashlib.sha256("\0".join((kind, name, *rest)).encode()).hexdigest()[:10]
    return f"{kind}-{re.sub('[^A-Za-z0-9.]+', '-', name)[-60:]}-{digest}"


def _package(each: Package, found: Inventory) -> Part:
    return Part(
        id=_id(each.kind, each.name, each.version, each.arch, each.place),
        kind="package",
        name=each.name,
        version=each.version,
        purl=purl(each, found),
        licence=each.licence,
        supplier=each.vendor,
        place=each.place,
    )


def purl(each: Package, found: Inventory) -> str:
    """Give a package's URL. Source: the package-url specification, types rpm, deb and pypi."""
    distribution = f"{found.os_id}-{found.os_version}" if found.os_id else ""
    if each.kind == "pip":
        return PackageURL("pypi", name=each.name, version=each.version).to_string()
    if each.kind == "deb":
        namespace = found.os_id if found.os_id in _DEB_DISTRIBUTIONS else _DEB_DISTRIBUTIONS[0]
        qualifiers = {"arch": each.arch, "distro": distribution}
        return PackageURL("deb", namespace, each.name, each.version, qualifiers).to_string()
    epoch, _, version = each.version.rpartition(":")
    qualifiers = {"arch": each.arch, "epoch": epoch, "distro": distribution}
    return PackageURL("rpm", found.os_id, each.name, version, qualifiers).to_string()


def _kernel(found: Inventory) -> Part:
    release = found.default_kernel or found.kernel
    place = f"/boot/vmlinuz-{release}" if found.kernel_sha256 else ""
    return Part(_id("kernel", release), "kernel", "linux", release, sha256=found.kernel_sha256, place=place)


def _module(each: Module) -> Part:
    name = _id("module", each.name, each.version, each.kernel)
    return Part(name, "module", each.name, each.version, place=f"/lib/modules/{each.kernel}")


def _download(each: Artifact) -> Part:
    """Give a file with its digest, or a checkout with its commit."""
    name = each.url.rstrip("/").rpartition("/")[2]
    known = {"sha256" if each.kind == "file" else "version": each.digest}
    return Part(_id("download", name, each.url), "download", name, url=each.url, **known)
