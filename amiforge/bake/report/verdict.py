"""What became of a run, in one word and one sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from amiforge.bake.report.record import Record

Tone = Literal["good", "bad", "odd", "busy"]

_WORDS: Mapping[str, tuple[str, Tone]] = MappingProxyType(
    {
        "baked": ("Baked", "good"),
        "failed": ("Failed", "bad"),
        "kept": ("Failed, builder kept", "bad"),
        "died": ("Died", "bad"),
        "parked": ("Parked", "odd"),
        "unpublished": ("Not published", "odd"),
        "incomplete": ("Leftovers", "odd"),
        "interrupted": ("Interrupted", "odd"),
        "verified": ("Verified", "good"),
        "baking": ("In progress", "busy"),
    }
)
_VERIFIED: Mapping[str, tuple[str, Tone]] = MappingProxyType(
    {
        "passed": ("Verified", "good"),
        "unverified": ("Not verified", "odd"),
        "skipped": ("Not verified", "odd"),
        "failed": ("Failed verification", "bad"),
    }
)
#: Outcomes after which another process can go on.
_GOES_ON = frozenset({"parked", "kept", "died", "unpublished", "incomplete", "interrupted"})


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that ended a process: what it says, and its labelled lines."""

    step: str
    kind: str
    message: str
    at: float
    lines: Mapping[str, str] = field(default_factory=dict)

    @property
    def fix(self) -> str:
        """What helps against it, as far as the error says so."""
        return self.lines.get("fix", "")

    @property
    def others(self) -> Iterator[tuple[str, str]]:
        """Its other lines."""
        yield from ((label, text) for label, text in self.lines.items() if label != "fix")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a run."""

    word: str
    tone: Tone
    sentence: str
    commands: tuple[tuple[str, str], ...]


def failures(record: Record) -> tuple[Failure, ...]:
    """Give every error that ended a process of the run, oldest first."""
    return tuple(_failure(line) for line in record.lines if line["kind"] == "failed")


def verdict(record: Record) -> Verdict:
    """Give what became of a run."""
    word, tone = _WORDS.get(record.outcome, (record.outcome.capitalize(), "odd"))
    if record.outcome == "baked":
        word, tone = _VERIFIED.get(str(record.known.get("verification", "")), (word, tone))
        if record.known.get("publication"):
            word = "Published"
    if record.known.get("refused"):
        word = "Failed at the gate"
    return Verdict(word, tone, _sentence(record), tuple(_commands(record)))


def _failure(line: Mapping[str, Any]) -> Failure:
    kind, _, message = str(line["error"]).partition(": ")
    told = line.get("lines")
    lines = {str(label): str(text) for label, text in told.items()} if isinstance(told, dict) else {}
    return Failure(str(line.get("step", "")), kind, message or kind, line["at"], lines)


def _sentence(record: Record) -> str:
    failed = failures(record)
    match record.outcome:
        case "baked" | "verified":
            return ""
        case "baking":
            return f"at step “{record.history.step}”"
        case "died":
            return f"its process ended without a word in step “{record.history.step}”"
        case "incomplete":
            return f"still there: {record.history.reason}"
        case _:
            return failed[-1].message if failed else record.history.reason


def _commands(record: Record) -> Iterator[tuple[str, str]]:
    run, last = record.history.run, record.lines[-1]
    if record.known.get("refused") and record.history.image:
        yield "look at it", f"amiforge debug {record.history.image}"
    if record.outcome == "kept" and last.get("log_in"):
        yield "log in", str(last["log_in"])
    if record.outcome in _GOES_ON and "verifies" not in record.history.asked:
        yield "go on", f"amiforge resume {run}"
    if record.outcome in _GOES_ON - {"unpublished"}:
        yield "give up", f"amiforge gc --run {run} --delete"
