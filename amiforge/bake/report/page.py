"""The page itself: what a run wrote, put together for the template. It fetches nothing, and runs but its own script."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from amiforge.bake import prices
from amiforge.bake.cost import Cost, cost
from amiforge.bake.report.chart import Scale
from amiforge.bake.report.facts import facts
from amiforge.bake.report.gate import Gate
from amiforge.bake.report.publication import publication
from amiforge.bake.report.record import Record
from amiforge.bake.report.timeline import Part, longest_waits, timeline
from amiforge.bake.report.verdict import failures, verdict
from amiforge.bake.report.versions import Versions
from amiforge.bake.report.work import Work
from amiforge.ec2.session import is_local
from amiforge.engine.display import clock

NAME = "report.html"
#: What browsers would not show, or show as something else: control characters, and those that turn text round.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_HERE = Path(__file__).parent


def write_report(folder: Path, known: Mapping[str, float] | None = None, to: Path | None = None) -> Path:
    """Write the report of a run into its folder, or to another file, and give where it is.

    Args:
        folder: the run's.
        known: prices of instance types, in US dollars an hour, besides the list's.
        to: the file.

    Raises:
        ConfigError: the run's journal cannot be read.
        OSError: the report cannot be written.
    """
    path = to or folder / NAME
    text = page(Record.of(folder), known or {}, time.time())
    if path.is_symlink() or (path.exists() and not path.is_file()):
        # A link, a pipe or a device, such as /dev/stdout, is written to; a draft would take its place.
        path.write_text(text, encoding="utf-8", errors="replace")
        return path
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8", errors="replace")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def page(record: Record, known: Mapping[str, float], written: float) -> str:
    """Give the report of a run as HTML, made at this time in seconds since the epoch."""
    style, script = ((_HERE / name).read_text() for name in ("page.css", "page.js"))
    text = _template().render(
        _context(record, known), style=style, script=script, policy=policy(style, script), written=written
    )
    return _INVISIBLE.sub("\ufffd", text)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clock": clock, "moment": _moment, "dollars": dollars, "shown": _shown}
    return environment.get_template("page.html")


def policy(style: str, script: str) -> str:
    """Give the page's content security policy: it loads nothing, and only its own style and script count."""
    hashes = {"style-src": style, "script-src": script}
    own = (f"{name} 'sha256-{_digest(text)}'" for name, text in hashes.items())
    return "; ".join(("default-src 'none'", *own, "base-uri 'none'", "form-action 'none'"))


def dollars(amount: float) -> str:
    """Give an amount: never so short that something becomes nothing."""
    if 0 < amount < 0.01:  # noqa: PLR2004 - a cent
        return "< $0.01"
    return f"${amount:,.2f}"


def _context(record: Record, known: Mapping[str, float]) -> dict[str, Any]:
    parts = timeline(record)
    scale = Scale(parts)
    work = Work.of(record.events)
    spent = cost(record.lines, known)
    errors = failures(record)
    return {
        "record": record,
        "run": record.history,
        "verdict": verdict(record),
        "errors": errors,
        "ended_by": errors[-1] if errors and record.outcome not in {"baked", "verified", "baking"} else None,
        "output": work.last_output,
        "facts": list(facts(record)),
        "parts": parts,
        "scale": scale,
        "kinds": {
            bar.kind for number, part in enumerate(parts) for row in part.rows for bar in scale.bars(number, row)
        },
        "totals": totals(parts),
        "waits": longest_waits(parts),
        "gate": Gate.of(record.events),
        "work": work,
        "versions": Versions.of(record),
        "cost": spent,
        "prices": prices,
        "cost_said": cost_said(spent),
        "sandbox": is_local(record.history.endpoint),
        "publication": publication(record),
    }


def totals(parts: tuple[Part, ...]) -> tuple[float, float]:
    """Give how long the steps of a run took in all, and how much of that was waiting."""
    steps = [row for part in parts for row in part.rows if row.level == 0]
    return sum(row.seconds for row in steps), sum(row.waited for row in steps)


def cost_said(spent: Cost) -> str:
    """Give what a run costs in a few words."""
    if not spent.uses:
        return "nothing was launched"
    if len(spent.unknown) == len({use.instance_type for use in spent.uses}):
        return f"{sum(use.seconds for use in spent.uses) / 3600:.2f} instance-hours, no price known"
    return f"{'at least ' if spent.unknown else ''}{dollars(spent.run)}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _shown(value: Any) -> str:
    """Give an option's value as people write it."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(_pieces(value)) or "none"
        case _:
            return str(value) or "none"


def _pieces(values: list[Any] | tuple[Any, ...]) -> Iterator[str]:
    for value in values:
        yield _shown(value)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
