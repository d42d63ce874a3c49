"""What must be true of a fresh instance of an image, each with the reason when it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from amiforge.bake.gate.portrait import Portrait
from amiforge.bake.readiness import Condition
from amiforge.shell import Secret

#: Units that come and go by themselves: mounts and swap of this instance's disks, snaps, what cloud-init's network is.
_OF_THE_INSTANCE = re.compile(r".*\.(mount|automount|swap)|snap[.-].*|netplan-.*")
#: Names that EC2 gives. Source: "EC2 instance hostnames and domains", EC2 user guide.
_GIVEN = re.compile(r"(ip-[0-9]+(-[0-9]+){3}|i-[0-9a-f]+)(\..*)?")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement about an image, tested: `wrong` says why it is false, `unasked` why it cannot be told here."""

    title: str
    wrong: str = ""
    unasked: str = ""

    @property
    def outcome(self) -> Literal["passed", "failed", "skipped"]:
        """How the test ended."""
        return "failed" if self.wrong else "skipped" if self.unasked else "passed"


@dataclass(frozen=True, slots=True)
class Sight:
    """A machine as it was seen after a boot, at its private address."""

    address: str
    condition: Condition
    portrait: Portrait


@dataclass(frozen=True, slots=True)
class Origin:
    """The builder that an image was made of.

    Attributes:
        address: its private address.
        condition: how its first boot ended.
        portrait: what it was when it was sealed; may be unknown.
        key: the key that opened it.
        blobs: what identifies that key, and the host key that it showed, wherever they stand.
    """

    address: str
    condition: Condition
    portrait: Portrait | None
    key: Secret
    blobs: tuple[str, str]


def identity(fresh: Sight, origin: Origin) -> Iterator[Statement]:
    """State that a fresh instance is a machine of its own."""
    now, before = fresh.condition, origin.condition
    same_id = "it has none" if not now.machine_id else "it is the builder's" * (now.machine_id == before.machine_id)
    yield Statement("the machine id is new", same_id)
    shared = (
        "it has none" if not now.host_keys else "it has one of the builder's" * bool(now.host_keys & before.host_keys)
    )
    yield Statement("the host keys are new", shared)
    if origin.portrait:
        yield Statement("the hostname is new", _same_name(fresh, origin.address, origin.portrait.hostname))


def _same_name(fresh: Sight, address: str, name: str) -> str:
    """Say whether a name that EC2 gave the builder has stayed. An address that is used again brings its name along."""
    stayed = fresh.portrait.hostname == name and _GIVEN.fullmatch(name) and fresh.address != address
    return f"it is {name}, as the builder's was" if stayed else ""


def boot(fresh: Sight, origin: Origin | None) -> Iterator[Statement]:
    """State that a boot went well, compared with what the source image did before anything was done to it."""
    now = fresh.condition
    recovered = bool(now.cloud_init) and not (origin and origin.condition.cloud_init)
    said = "\n".join(now.notes) or f"cloud-init status ended with {now.cloud_init}"
    yield Statement("cloud-init ended without errors", said if recovered else "")
    failed = now.failed - (origin.condition.failed if origin else frozenset())
    yield Statement("no unit has failed that did not fail on the source image", ", ".join(sorted(failed)))
    yield from _kernel(fresh.portrait, origin.portrait if origin else None)
    yield _units(fresh.portrait, origin)


def _kernel(now: Portrait, before: Portrait | None) -> Iterator[Statement]:
    title = "the kernel that runs is the one that boots next"
    if now.container or not now.default:
        yield Statement(title, unasked="a container runs its host's kernel" if now.container else "none is installed")
    else:
        yield Statement(title, f"{now.running} runs, {now.default} boots next" * (now.running != now.default))
    if before:
        wrong = f"it is {now.default or 'none'}, and was {before.default or 'none'} there" * (
            now.default != before.default
        )
        yield Statement("the kernel that boots next is the one of the builder", wrong)
    kernel = now.default or now.running
    others = [f"{name} for {built or 'none'}" for name, built in sorted(now.modules.items()) if built != kernel]
    wrong = f"the kernel is {kernel}, and built are: {_listed(others)}" if others else ""
    yield Statement("added kernel modules are built for the kernel", wrong)


def _units(now: Portrait, origin: Origin | None) -> Statement:
    title = "units are enabled and disabled as on the builder"
    if not origin or not origin.portrait:
        return Statement(title, unasked="what they were on the builder is not known")
    return Statement(title, _listed([*differing_units(origin.portrait.units, now.units)]))


def differing_units(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Name every unit file whose lasting state is another one: `cups.service was disabled, is enabled`.

    One that is new counts when it is enabled or masked: nobody but the first boot can have done that.
    """
    for unit in sorted({*before, *now}):
        was, is_ = before.get(unit, ""), now.get(unit, "")
        if was == is_ or _OF_THE_INSTANCE.fullmatch(unit) or (not was and is_ not in {"enabled", "masked"}):
            continue
        yield f"{unit} was {was or 'not there'}, is {is_ or 'gone'}"


def second_boot(now: Sight, first: Sight) -> Iterator[Statement]:
    """State that a reboot leaves the machine the one it was."""
    kept = now.condition.machine_id == first.condition.machine_id
    yield Statement("the machine id stays", "" if kept else "it is another one")
    lost = first.condition.host_keys - now.condition.host_keys
    yield Statement("the host keys stay", f"{len(lost)} of {len(first.condition.host_keys)} are gone" if lost else "")


def _listed(things: list[str]) -> str:
    more = [f"and {len(things) - _SHOWN} more"] if len(things) > _SHOWN else []
    return ", ".join((*things[:_SHOWN], *more))
