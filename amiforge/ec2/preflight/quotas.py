"""vCPU quotas: whether there is room beside what runs already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.instance_types import InstanceType, Types
from amiforge.ec2.preflight.services import Services

_WHERE = "builder.instance_types"


@dataclass(frozen=True, slots=True)
class Group:
    """Instance families that share a quota, and the codes of their quotas; no `spot` where none is known.

    Source: `aws service-quotas list-service-quotas --service-code ec2`, as published by several of its users.
    """

    name: str
    on_demand: str
    spot: str = ""


_STANDARD = Group("Standard (A, C, D, H, I, M, R, T, Z)", "L-1216C47A", "L-34B43A08")
_G = Group("G and VT", "L-DB2E81BA", "L-3819A6DF")
#: By the letters that an instance type begins with.
GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        **dict.fromkeys(("a", "c", "d", "h", "i", "m", "r", "t", "z"), _STANDARD),
        **dict.fromkeys(("g", "vt"), _G),
        "p": Group("P", "L-417A185B", "L-7212CCBC"),
        "dl": Group("DL", "L-6E869C2A", "L-85EED4F7"),
        "f": Group("F", "L-74FC7D96", "L-88CF9481"),
        "hpc": Group("HPC", "L-F7808C92"),
        "inf": Group("Inf", "L-1945791B", "L-B5D1601B"),
        "trn": Group("Trn", "L-2C3B7624", "L-6B0D517C"),
        "u": Group("High Memory", "L-43DA4232"),
        "x": Group("X", "L-7295265B", "L-E3A00192"),
    }
)

Market = str
#: vCPUs by group and market.
Running = Mapping[tuple[Group, Market], int]


def group(instance_type: str) -> Group | None:
    """Give the quota group of an instance type; None for one whose quota is not known."""
    letters = re.match("[a-z]+", instance_type)
    return GROUPS.get(letters[0]) if letters else None


def quota_code(of: Group, market: Market) -> str:
    """Give the code of a group's quota for `on-demand` or `spot`; empty where it is not known."""
    return of.spot if market == "spot" else of.on_demand


def limit(services: Services, code: str) -> float | Unasked:
    """Give the applied value of a quota, in vCPUs."""
    return ask(lambda: float(services.quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"]))


def codes(wanted: Sequence[InstanceType], market: Market) -> tuple[str, ...]:
    """Give the codes of the quotas that these types count towards, as far as they are known."""
    found = (quota_code(of, market) for each in wanted if (of := group(each.name)))
    return tuple(dict.fromkeys(filter(None, found)))


def running(services: Services) -> Sequence[tuple[str, Market]] | Unasked:
    """Give type and market of every instance of the region that counts: what is pending or running.

    Instances in capacity blocks do not count. Source: EC2 user guide, "Amazon EC2 instance type quotas".
    """
    pages = services.clients.ec2.get_paginator("describe_instances")
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]

    def describe() -> Sequence[tuple[str, Market]]:
        found = (
            instance
            for page in pages.paginate(Filters=states)  # type: ignore[arg-type]
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        )
        named = ((each["InstanceType"], each.get("InstanceLifecycle", "on-demand")) for each in found)
        return [(name, market) for name, market in named if market in {"on-demand", "spot"}]

    return ask(describe)


def count(instances: Sequence[tuple[str, Market]], types: Types) -> Running:
    """Add up the vCPUs of instances by group and market."""
    total: Counter[tuple[Group, Market]] = Counter()
    for name, market in instances:
        if (of := group(name)) and name in types:
            total[of, market] += types[name].vcpus
    return total


def judge(
    wanted: Sequence[InstanceType], market: Market, limits: Mapping[str, float], used: Running
) -> Iterator[Finding]:
    """Say for which instance types a market's quota has no room; a problem if it has for none.

    Args:
        wanted: the builder's types.
        market: `on-demand` or `spot`.
        limits: quotas in vCPUs, by code.
        used: what runs already.
    """
    title = f"{market} vCPU quota"
    full: list[tuple[str, str]] = []
    for of in dict.fromkeys(group(each.name) for each in wanted):
        of_group = [each for each in wanted if group(each.name) == of]
        code = quota_code(of, market) if of else ""
        if of is None or not code:
            yield fact(title, f"not known for {', '.join(each.name for each in of_group)}", _WHERE)
            continue
        if code not in limits:
            continue
        most, busy = limits[code], used.get((of, market), 0)
        yield fact(title, f"{of.name}: {most:.0f}, of which {busy} run ({code})", _WHERE)
        for each in of_group:
            if busy + each.vcpus > most:
                detail = f"{each.name} has {each.vcpus} vCPUs, and {of.name} allows {most:.0f}, of which {busy} run"
                full.append((detail, _raise(code, busy + each.vcpus)))
    for detail, fix in full:
        report = problem if len(full) == len(wanted) and market == "on-demand" else warning
        yield report(title, detail, fix, _WHERE)


def _raise(code: str, vcpus: int) -> str:
    return (
        "give smaller types, end something, or `aws service-quotas request-service-quota-increase"
        f" --service-code ec2 --quota-code {code} --desired-value {vcpus}`"
    )
