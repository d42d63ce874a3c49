"""Shell text: the one place that quotes, and the only importer of shlex.

A command is constant text plus arguments. The text refers to its arguments as `"$1"`, `"$@"`, so a value never
becomes part of a program: there is nothing to interpolate and nothing to forget to quote. Text runs under POSIX `sh`.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from amiforge.errors import RecipeError

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

#: What every script starts with: a known language, a known PATH (sudo's own lacks /usr/local/bin on Amazon Linux)
#: and a known umask, whatever the login shell of the image does.
PRELUDE = (
    "LC_ALL=C LANG=C HOME=/root DEBIAN_FRONTEND=noninteractive "
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    "export LC_ALL LANG HOME DEBIAN_FRONTEND PATH\n"
    "umask 022\n"
)

_RUN_ARGUMENTS = '"$@"'

#: What stands where a secret was.
MASK = "[secret]"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that no renderer shows. `reveal()` is called where the value goes to the host, and nowhere else.

    As the type of an option it takes text, and is written to JSON as its mask.
    """

    value: str

    def reveal(self) -> str:
        """Give the value itself."""
        return self.value

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - commands are quoted without it, too

        return core_schema.no_info_plain_validator_function(
            cls._validated,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )

    @classmethod
    def _validated(cls, value: Any) -> Secret:
        given = cls(value) if isinstance(value, str) else value
        if not isinstance(given, Secret):
            raise ValueError("must be text")  # noqa: TRY004 - pydantic reports a ValueError
        if given.value == MASK:
            raise ValueError(f"{MASK} stands where the secret was; give the secret itself")
        return given


Argument = str | PurePosixPath | Secret


@dataclass(frozen=True, slots=True)
class Command:
    """Constant sh text and the arguments it sees as `"$1"`, `"$2"` and so on.

    `summary` replaces the text where people read it, when the text is long.
    """

    script: str
    args: tuple[Argument, ...] = ()
    summary: str = ""

    def words(self) -> str:
        """Give the arguments as sh words, quoted."""
        return " ".join(_quoted(arg) for arg in self.args)

    def text(self) -> str:
        """Give sh text that runs this command: as plain words, or in a subshell that holds the arguments.

        `eval` keeps a syntax error in the command's text from ending the shell that runs it.
        """
        if self.script == _RUN_ARGUMENTS:
            return self.words()
        return f"(set -- {self.words()}\neval {shlex.quote(self.script)})"

    def __str__(self) -> str:
        if self.summary:
            return self.summary
        shown = " ".join(str(arg) if isinstance(arg, Secret) else shlex.quote(str(arg)) for arg in self.args)
        return shown if self.script == _RUN_ARGUMENTS else f"sh -c {shlex.quote(self.script)} sh {shown}".rstrip()


def argv(*args: Argument, summary: str = "") -> Command:
    """Give the command that runs a program with exactly these arguments."""
    return Command(_RUN_ARGUMENTS, args, summary)


def script(text: str, *args: Argument, summary: str = "") -> Command:
    """Give the command that runs constant sh text with these arguments as `"$1"`, `"$2"` and so on."""
    return Command(text, args, summary)


def quote(word: str) -> str:
    """Give one word of sh text that expands to exactly this value.

    Raises:
        RecipeError: the value holds a NUL byte, which no argument can carry.
    """
    if "\0" in word:
        raise RecipeError(f"a command's argument holds a NUL byte: {word!r}", fix="remove the byte")
    return shlex.quote(word)


def display(words: list[str] | tuple[str, ...]) -> str:
    """Give a command line as people write it, for messages only."""
    return shlex.join(words)


def _quoted(arg: Argument) -> str:
    return quote(arg.reveal() if isinstance(arg, Secret) else str(arg))
