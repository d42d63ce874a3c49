"""What systemd says of units: one `systemctl show` for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amiforge.engine.query import Answer, Query, QueryKind
from amiforge.errors import FactUnreadable

# The clock line relates systemd's times, microseconds since boot, to those of files. The start of the main process is
# when it read its configuration; units without a process have only their activation.
_SCRIPT = r"""
read -r up _ </proc/uptime && printf '%s %s\n\n' "$up" "$(date +%s.%N)" || exit
systemctl show --no-pager --property=Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,\
ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic -- "$@"
"""


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd knows of a unit.

    Attributes:
        load: `loaded`, `not-found`, `masked`, `bad-setting`, …
        active: `active`, `inactive`, `failed`, `activating`, …
        file: state of its unit file: `enabled`, `disabled`, `static`, `masked`, …; empty when it has none.
        outdated: the unit file changed on disk since systemd read it.
        started: when the unit last started, in seconds since the epoch; 0 for never.
    """

    load: str
    active: str
    file: str
    outdated: bool
    started: float


def _parse(answer: Answer, units: Sequence[str]) -> Mapping[str, UnitState]:
    clock, *blocks = answer.text.strip().split("\n\n")
    if answer.status or len(blocks) != len(units):
        raise FactUnreadable(
            f"systemd does not say what state {', '.join(units)} is in",
            stdout=answer.text[-500:],
            stderr=answer.stderr.decode("utf-8", "replace"),
        )
    try:
        up, _, now = clock.partition(" ")
        booted = float(now) - float(up)
        return {unit: _state(block, booted) for unit, block in zip(units, blocks, strict=True)}
    except (ValueError, KeyError) as error:
        raise FactUnreadable(f"systemd's answer makes no sense: {error}", stdout=answer.text[-500:]) from error


def _state(block: str, booted: float) -> UnitState:
    facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    main = int(facts.get("ExecMainStartTimestampMonotonic", "0"))
    since_boot = main or int(facts.get("ActiveEnterTimestampMonotonic", "0"))
    return UnitState(
        load=facts["LoadState"],
        active=facts["ActiveState"],
        file=facts.get("UnitFileState", ""),
        outdated=facts.get("NeedDaemonReload") == "yes",
        started=booted + since_boot / 1e6 if since_boot else 0.0,
    )


UNITS = QueryKind("units", _SCRIPT, _parse)


def look_at_unit(unit: str) -> Query[UnitState]:
    """Give the question what systemd knows of a unit, named in full (`sshd.service`)."""
    return Query(UNITS, unit)
