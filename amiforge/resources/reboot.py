"""Reboots: only when the host shows a reason for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic.dataclasses import dataclass

from amiforge.engine.query import Answer, Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.resources.module_state import ModuleName, look_at_module
from amiforge.resources.strict import STRICT
from amiforge.systems.facts import FACTS, parse
from amiforge.systems.system import System

_REQUIRED = "[ ! -e /run/reboot-required ] || echo '/run/reboot-required is there'\n"


def _parse_kernels(answer: Answer, items: Sequence[str]) -> Mapping[str, System]:
    return dict.fromkeys(items, parse(answer.stdout))


def _parse_required(answer: Answer, items: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    return dict.fromkeys(items, tuple(dict.fromkeys(line.strip() for line in answer.text.splitlines() if line.strip())))


# What we know of the system is as old as the last boot, and a kernel may have been installed since.
_FACTS_NOW: Query[System] = Query(QueryKind("facts", FACTS, _parse_kernels))


def _required(system: System) -> Query[tuple[str, ...]]:
    return Query(QueryKind("required reboot", f"{system.os.reboot_required}\n{_REQUIRED}", _parse_required, slow=True))


@dataclass(frozen=True, config=STRICT)
class RebootIfNeeded(Resource):
    """The kernel that runs is the one that boots, no blacklisted module is left in it, and nobody asks for a reboot.

    Attributes:
        unwanted: modules that may not stay loaded once they are blacklisted. A container, whose kernel is its host's,
            is not asked about them.
    """

    unwanted: tuple[ModuleName, ...] = ("nouveau",)

    @property
    def name(self) -> str:
        """`reboot if needed`."""
        return "reboot if needed"

    def queries(self, system: System) -> tuple[Query[Any], ...]:
        """Ask for kernels, modules, and what the operating system says."""
        return (_FACTS_NOW, _required(system), *(look_at_module(module) for module in self._modules(system)))

    def desired(self, system: System) -> State:
        """Want no reason for a reboot."""
        return {"kernel": "default", "blacklisted_and_loaded": (), "required_by": ()}

    def actual(self, replies: Replies, system: System) -> State:
        """Give each reason that is there."""
        now = replies[_FACTS_NOW]
        current = not now.default_kernel or now.kernel == now.default_kernel
        states = {module: replies[look_at_module(module)] for module in self._modules(system)}
        return {
            "kernel": "default" if current else f"{now.kernel} runs, {now.default_kernel} is next",
            "blacklisted_and_loaded": tuple(
                name for name, state in states.items() if state.loaded and state.blacklisted
            ),
            "required_by": replies[_required(system)],
        }

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Reboot. The reason names the running kernel, so that a second reboot for the same reason shows as such."""
        reasons = {
            "kernel": f"kernel {system.kernel} runs and another one is the default".replace("  ", " "),
            "blacklisted_and_loaded": f"a blacklisted module is loaded ({', '.join(self.unwanted)})",
            "required_by": "the operating system asks for it",
        }
        yield Change("; ".join(text for key, text in reasons.items() if key in differing), reboot=True)

    def _modules(self, system: System) -> tuple[str, ...]:
        return () if system.container else self.unwanted
