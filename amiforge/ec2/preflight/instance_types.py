"""The builder's instance types: that they exist, are offered where the builder may be, and can boot the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.services import Services
from amiforge.ec2.resolve import ResolvedImage

if TYPE_CHECKING:
    from mypy_boto3_ec2.literals import InstanceTypeType
    from mypy_boto3_ec2.type_defs import InstanceTypeInfoTypeDef

_TITLE = "instance types"
_WHERE = "builder.instance_types"


@dataclass(frozen=True, slots=True)
class InstanceType:
    """An instance type as EC2 describes it; `ena` is `required`, `supported` or `unsupported`."""

    name: str
    vcpus: int
    architectures: tuple[str, ...] = ("x86_64",)
    boot_modes: tuple[str, ...] = ("legacy-bios", "uefi")
    ena: str = "supported"


Types = Mapping[str, InstanceType]


def look(services: Services, names: Sequence[str]) -> Types | Unasked:
    """Describe those of the instance types that the region has."""
    pages = services.clients.ec2.get_paginator("describe_instance_types")
    wanted = list(dict.fromkeys(names))

    def describe() -> Types:
        # Asked for by filter, since one unknown name would make EC2 refuse all of them.
        found = (
            each
            for page in pages.paginate(Filters=[{"Name": "instance-type", "Values": wanted}])
            for each in page["InstanceTypes"]
        )
        return {each["InstanceType"]: _described(each) for each in found}

    return ask(describe) if wanted else {}


def offered(services: Services, names: Sequence[str]) -> Mapping[str, frozenset[str]] | Unasked:
    """Give the availability zones that have each of the instance types."""
    pages = services.clients.ec2.get_paginator("describe_instance_type_offerings")

    def describe() -> Mapping[str, frozenset[str]]:
        asked = pages.paginate(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": list(names)}]
        )
        found = [each for page in asked for each in page["InstanceTypeOfferings"]]
        return {
            name: frozenset(
                each["Location"] for each in found if each["InstanceType"] == cast("InstanceTypeType", name)
            )
            for name in names
        }

    return ask(describe)


def _described(info: InstanceTypeInfoTypeDef) -> InstanceType:
    return InstanceType(
        info["InstanceType"],
        info["VCpuInfo"].get("DefaultVCpus", 0),
        tuple(info["ProcessorInfo"].get("SupportedArchitectures", ())),
        tuple(info.get("SupportedBootModes", ())),
        info.get("NetworkInfo", {}).get("EnaSupport", "supported"),
    )


def judge_existence(names: Sequence[str], types: Types, architecture: str, region: str) -> Iterator[Finding]:
    """Say which of the names are no types of the region, and which have other processors than the image."""
    for name in names:
        if name not in types:
            yield problem(_TITLE, f"{region} has no type {name}", "check the name, or give another", _WHERE)
        elif architecture not in types[name].architectures:
            detail = f"{name} is {' and '.join(types[name].architectures)}, and the image is {architecture}"
            yield problem(_TITLE, detail, f"give types with {architecture} processors, or --arch", _WHERE)
    known = [f"{name} ({types[name].vcpus} vCPUs)" for name in names if name in types]
    if known:
        yield fact(_TITLE, ", ".join(known), _WHERE)


def judge_boot(types: Types, image: ResolvedImage) -> Iterator[Finding]:
    """Say which types cannot boot the image: by its boot mode, or because it lacks the network driver they need.

    Source: EC2 user guide, "Boot modes" and "Enhanced networking with ENA".
    """
    for each in types.values():
        mode = image.boot_mode
        if mode in {"uefi", "legacy-bios"} and each.boot_modes and mode not in each.boot_modes:
            detail = f"{each.name} boots {' and '.join(each.boot_modes)}, and {image.ami} wants {mode}"
            yield problem(_TITLE, detail, "give other types, or another source image", _WHERE)
        if each.ena == "required" and not image.ena:
            detail = f"{each.name} needs ENA, and {image.ami} does not say that it has its driver"
            yield problem(_TITLE, detail, "give another source image", _WHERE)


def judge_offers(offers: Mapping[str, frozenset[str]], zones: Sequence[str]) -> Iterator[Finding]:
    """Say which types none of the builder's zones has."""
    there = frozenset(zones)
    missing = [name for name, where in offers.items() if not where & there]
    for name in missing:
        others = ", ".join(sorted(offers[name])) or "no zone of the region"
        detail = f"{name} is not offered in {', '.join(sorted(there))}, but in {others}"
        fix = "give subnets of other zones, or other types"
        if len(missing) == len(offers):
            yield problem(_TITLE, detail, fix, _WHERE)
        else:
            yield warning(_TITLE, detail, fix, _WHERE)
