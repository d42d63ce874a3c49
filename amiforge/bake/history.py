"""What the journal of a run tells: what was asked for, how far it came, and how it ended, if it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from amiforge.bake.claim import holder
from amiforge.bake.journal import NAME, Attempt, read
from amiforge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class History:
    """A run as its journal tells it.

    Attributes:
        folder: where the journal lies.
        run: its id.
        recipe: name of the recipe; `os` and `arch` are those of its image.
        region: where it bakes; `endpoint` is empty for AWS's own.
        image_name: name of the image.
        expires: when the things it makes may be removed by anybody, as of the last process that worked on it.
        tags: those of the settings it was begun with.
        asked: how the recipe was asked for.
        options: what that came to.
        started: seconds since the epoch.
        last: time of the last line, likewise.
        step: the step that was taken last.
        outcome: how it ended: `baked`, `unpublished`, `failed`, `kept`, `parked`, `incomplete`, `interrupted`, or
            `verified` for a run that only looked at an image; empty when no process came to an end with it.
        reason: why it is parked, or what failed.
        image: id of the finished image; empty when there is none.
        known: what its steps found out, piece by piece.
        unanswered: a launch was sent, and no answer to it is known.
        busy: who works on it at this moment; empty for nobody.
    """

    folder: Path
    run: str
    recipe: str
    os: str
    arch: str
    region: str
    endpoint: str
    profile: str
    image_name: str
    expires: str
    tags: Mapping[str, str]
    asked: Mapping[str, Any]
    options: Mapping[str, Mapping[str, Any]]
    started: float
    last: float
    step: str = ""
    outcome: str = ""
    reason: str = ""
    image: str = ""
    known: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    unanswered: bool = False
    busy: str = ""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a run's journal.

        Raises:
            ConfigError: there is none, or it is not understood.
        """
        lines = list(read(folder / NAME))
        if not lines:
            raise ConfigError(
                f"{folder / NAME} is empty: its process ended before it made anything", fix=f"delete {folder}"
            )
        try:
            first = lines[0]
            begun = {name: first[name] for name in ("run", "recipe", "os", "arch", "region", "endpoint", "profile")}
            begun |= {name: first[name] for name in ("expires", "tags", "asked", "options")}
            _refuse_odd(
                first, ("run", "recipe", "os", "arch", "region", "endpoint", "profile", "image", "expires"), str
            )
            _refuse_odd(first, ("tags", "asked", "options"), dict)
            told = _told(lines)
            begun["expires"] = told.pop("expires") or begun["expires"]
            return cls(
                folder=folder,
                image_name=first["image"],
                started=float(first["at"]),
                last=float(lines[-1]["at"]),
                busy=holder(folder / "claim"),
                **begun,
                **told,
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ConfigError(
                f"{folder / NAME}: not the journal of a run: {error!r}", fix="choose another run, see `amiforge runs`"
            ) from None

    @property
    def status(self) -> str:
        """What people are told: `baking`, its outcome, or `died` when its process did."""
        return "baking" if self.busy else self.outcome or "died"

    @property
    def resumable(self) -> bool:
        """Whether there is anything to go on with."""
        return not self.busy and self.outcome not in {"baked", "failed", "verified"} and "verifies" not in self.asked


#: What is text in every line that has it.
_TEXTS = frozenset({"step", "operation", "error", "expires", "outcome", "reason", "left", "detail", "image"})


def _refuse_odd(line: Mapping[str, Any], names: Iterable[str], kind: type) -> None:
    if odd := [name for name in names if not isinstance(line[name], kind)]:
        raise TypeError(f"{', '.join(odd)} must be {kind.__name__}")


def _told(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Give what the lines after the first one come to."""
    told: dict[str, Any] = {"expires": "", "step": "", "outcome": "", "reason": "", "image": "", "unanswered": False}
    known: list[Mapping[str, Any]] = []
    attempt = Attempt()
    for line in lines:
        _refuse_odd(line, _TEXTS & line.keys(), str)
        match line["kind"]:
            case "resumed":
                told |= {"expires": line["expires"], "outcome": "", "reason": ""}
            case "started":
                told["step"] = line["step"]
            case "failed":
                told["reason"] = line["error"]
            case "known":
                _refuse_odd(line, ("about",), dict)
                known.append(line["about"])
            case "asked" | "answered" | "refused" if line["operation"] == "RunInstances":
                attempt.hear(line)
                told["unanswered"] = attempt.open
            case "ended":
                told |= {"outcome": line["outcome"], "image": line.get("image", "")}
                told["reason"] = line.get("reason") or line.get("left") or told["reason"]
            case _:
                pass
    return {**told, "known": tuple(known)}


def histories(runs: Path) -> tuple[tuple[History, ...], tuple[ConfigError, ...]]:
    """Give all runs of a folder, oldest first, and what is wrong with those that cannot be read."""
    found: list[History] = []
    wrong: list[ConfigError] = []
    for path in sorted(runs.glob(f"*/{NAME}")):
        try:
            found.append(History.of(path.parent))
        except ConfigError as error:
            wrong.append(error)
    return tuple(found), tuple(wrong)
