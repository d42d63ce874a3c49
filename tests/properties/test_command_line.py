"""Whatever is typed, the program ends with a documented status and never with a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import EntryPoint, EntryPoints
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge import recipes
from amiforge.cli import app
from amiforge.tasks import registry
from tests.properties.settings_text import PRINTABLE, damaged

#: 0 to 5, EX_TEMPFAIL for a parked run, and 128 + SIGINT.
STATUSES = {0, 1, 2, 3, 4, 5, 75, 130}
COMMANDS = sorted(command.name or "" for command in app.app.registered_commands)
FLAGS = [
    "--set",
    "--os",
    "--arch",
    "--versions",
    "--instances",
    "--allow",
    "--config",
    "--host",
    "--key",
    "--json",
    "--region",
    "--profile",
    "--aws",
    "--policy",
    "--options",
    "--on-failure",
    "--no-verify",
    "--run",
    "--delete",
    "--ami",
    "--junit",
    "--update",
    "--help",
    "--version",
    "-h",
    "--",
    "-",
]
WORDS = [
    *recipes.names(),
    *registry.names(),
    "",
    *[
        "all",
        "al2023",
        "ubuntu2404",
        "x86_64",
        "arm64",
        "p5",
        "gpu-stable",
        "us-east-2",
        "aws_efa.minimal=false",
        "nvidia_driver.version=595.91.07",
        "nobody",
        "builder.volume_gib=10",
        "ec2-user@192.0.2.1",
        "keep",
        "ami-0123456789abcdef0",
        "amiforge.toml",
        "/dev/null",
        "/",
    ],
]
# Never `local://`, which is this very machine, and never the sandbox, whose machines would be made and removed.
ARGUMENTS = st.lists(
    st.one_of(
        st.sampled_from(FLAGS),
        st.sampled_from(WORDS),
        st.sampled_from(WORDS).flatmap(damaged),
        PRINTABLE.filter(lambda text: "local" not in text and "sandbox" not in text),
    ),
    max_size=7,
)


def no_network(*_: object, **__: object) -> NoReturn:
    raise ConnectionRefusedError(111, "there is no network here")


def no_program(*_: object, **__: object) -> NoReturn:
    raise FileNotFoundError(2, "there are no programs here")


@contextmanager
def alone() -> Iterator[Path]:
    """Give an empty folder to be in, without a network, programs, or an account."""
    here, handlers = Path.cwd(), {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "bind"):
            patch.setattr(socket.socket, name, no_network)
        patch.setattr(socket, "getaddrinfo", no_network)
        patch.setattr(subprocess.Popen, "__init__", no_program)
        patch.setenv("AMIFORGE_SANDBOX", f"{folder}/sandbox")
        patch.setenv("AMIFORGE_AWS_ATTEMPTS", "1")
        patch.setenv("AMIFORGE_SSH_CONNECT_TIMEOUT", "0.1")
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(here)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def ended(args: list[str]) -> tuple[int, str]:
    """Run a command line, and give its status and all that it printed."""
    with alone() as folder, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        status = app.run(args)
        crashes = [path.read_text() for path in folder.rglob("crash-*.log")]
    return status, "\n".join([out.getvalue(), err.getvalue(), *crashes])


@pytest.mark.parametrize("command", COMMANDS)
@given(args=ARGUMENTS)
def test_a_command_ends_well_whatever_follows_it(command: str, args: list[str]) -> None:
    status, printed = ended([command, *args])
    assert "Traceback" not in printed
    assert "this is a defect" not in printed
    assert status in STATUSES


@given(args=ARGUMENTS)
def test_the_program_ends_well_without_a_command(args: list[str]) -> None:
    status, printed = ended(args)
    assert "Traceback" not in printed
    assert "this is a defect" not in printed
    assert status in STATUSES


BROKEN: dict[str, tuple[str, str]] = {
    "syntax": ("broken_syntax:recipe", "def recipe(:\n"),
    "import": ("broken_import:recipe", "import there_is_no_such_module\n"),
    "name": ("broken_name:recipe", "other = 1\n"),
    "kind": ("broken_kind:recipe", "recipe = 'text'\n"),
    "raise": ("broken_raise:recipe", "raise RuntimeError('at import')\n"),
    "exit": ("broken_exit:recipe", "raise SystemExit(0)\n"),
    "option": ("broken_option:recipe", "from amiforge.recipes import base\nrecipe = base.with_options('base', x=1)\n"),
    "model": ("broken_model:recipe", "from amiforge.recipes import Recipe\nrecipe = Recipe(name='x')\n"),
    "module": ("there_is_no_module:recipe", ""),
    "text": ("not a reference!", ""),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(BROKEN))
@pytest.mark.parametrize("group", ["amiforge.recipes", "amiforge.tasks"])
def test_a_broken_package_is_refused_by_its_entry_point(
    what: str, group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, text = BROKEN[what]
    name = f"broken_{what}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    entries = EntryPoints([EntryPoint(name, value, group)])

    def entry_points(**selected: Any) -> EntryPoints:
        return entries.select(**selected)

    for module in (recipes, registry):
        monkeypatch.setattr(module, "entry_points", entry_points)
    status, printed = ended(["show", name] if group == "amiforge.recipes" else ["list"])
    assert (status, "Traceback" in printed, value in printed) == (2, False, True)
