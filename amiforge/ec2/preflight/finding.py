"""What is found before a bake: facts, warnings and problems, and questions that could not be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from amiforge.ec2.refusal import code, passing
from amiforge.errors import AwsRefused

T = TypeVar("T")

Level = Literal["problem", "warning", "fact"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is known before a bake.

    Attributes:
        level: a `problem` keeps a bake from succeeding, a `warning` may, a `fact` does not.
        title: what was looked at: `source image`.
        detail: what was found.
        fix: what helps; empty for facts.
        where: the option or setting that decides it, as `builder.subnets`; empty where none does.
    """

    level: Level
    title: str
    detail: str
    fix: str = ""
    where: str = ""


def fact(title: str, detail: str, where: str = "") -> Finding:
    """Give something good to know."""
    return Finding("fact", title, detail, where=where)


def warning(title: str, detail: str, fix: str, where: str = "") -> Finding:
    """Give something that may make a bake fail, or make it other than expected."""
    return Finding("warning", title, detail, fix, where)


def problem(title: str, detail: str, fix: str, where: str = "") -> Finding:
    """Give something that makes a bake fail."""
    return Finding("problem", title, detail, fix, where)


@dataclass(frozen=True, slots=True)
class Unasked:
    """A question that got no answer: the endpoint does not know the call, or the caller may not make it.

    `passing` means that the same question may well be answered a moment later.
    """

    why: str
    fix: str = ""
    passing: bool = False

    def finding(self, title: str, where: str = "", *, needed: bool = False) -> Finding:
        """Give it as a warning; as a problem if a bake has to make the same call."""
        level: Level = "problem" if needed else "warning"
        fix = self.fix or "allow the call to know it beforehand; a bake does not need it"
        return Finding(level, title, f"could not be asked: {self.why}", fix, where)


def ask(question: Callable[[], T]) -> T | Unasked:
    """Ask AWS, and give the answer or why there is none."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - slow to load

    try:
        return question()
    except AwsRefused as error:
        return Unasked(f"{error.message} ({code(error)})", error.lines.get("fix", ""), passing(error))
    except BotoCoreError as error:
        return Unasked(str(error))
