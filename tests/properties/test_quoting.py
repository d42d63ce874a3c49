"""Every argument reaches the program as it was, in every shell that may be `sh`."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amiforge.errors import RecipeError
from amiforge.shell import Command, Secret, argv, quote, script

SHELLS = [
    pytest.param(shell, marks=pytest.mark.skipif(not shutil.which(shell[0]), reason=f"{shell[0]} is not installed"))
    for shell in (("dash",), ("bash", "--posix"), ("busybox", "sh"))
]
# No NUL, which no argument can carry, and what a file name may hold: bytes that are no UTF-8 come as surrogates.
WORDS = st.binary(max_size=80).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
NASTY = st.sampled_from(
    ["", "-n", "--", "$(id)", "`id`", "a b", "'", '"', "\\", "\n", "*", "~", "!", "#", "\\n", "é\udcff"]
)
ARGUMENTS = st.lists(st.one_of(WORDS, NASTY), min_size=1, max_size=6)

pytestmark = pytest.mark.shell
through_a_shell = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def printed(shell: tuple[str, ...], command: Command) -> list[str]:
    text = command.text().encode("utf-8", "surrogateescape")
    done = subprocess.run([*shell, "-s"], input=text, capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
@through_a_shell
@given(arguments=ARGUMENTS)
def test_program_gets_exactly_its_arguments(shell: tuple[str, ...], arguments: list[str]) -> None:
    assert printed(shell, argv("printf", "%s\\0", *arguments)) == arguments


@pytest.mark.parametrize("shell", SHELLS)
@through_a_shell
@given(arguments=ARGUMENTS)
def test_script_gets_exactly_its_arguments(shell: tuple[str, ...], arguments: list[str]) -> None:
    assert printed(shell, script("printf '%s\\0' \"$@\"", *arguments)) == arguments


@pytest.mark.parametrize("shell", SHELLS)
@through_a_shell
@given(value=WORDS)
def test_secret_reaches_the_program_and_no_renderer(shell: tuple[str, ...], value: str) -> None:
    command = argv("printf", "%s\\0", Secret(f"hunter2{value}"))
    assert printed(shell, command) == [f"hunter2{value}"]
    assert "hunter2" not in f"{command} {command!r} {command.args!r}"


def test_nul_is_refused() -> None:
    with pytest.raises(RecipeError, match="NUL"):
        quote("a\0b")
