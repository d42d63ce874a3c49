"""Programs of this machine that make packages, run to their end."""

from __future__ import annotations

import subprocess
from pathlib import Path

from amiforge.errors import CommandFailed, SandboxUnavailable


def run(*argv: str, cwd: Path | None = None, stdin: str = "") -> str:
    """Run a program and give its standard output.

    Raises:
        SandboxUnavailable: the program is not installed.
        CommandFailed: it ended with another status than 0; carries the end of what it said.
    """
    try:
        done = subprocess.run(argv, cwd=cwd, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SandboxUnavailable(f"building the sandbox's packages needs the program {argv[0]}") from None
    if done.returncode:
        raise CommandFailed(f"{argv[0]} failed", ran=" ".join(argv)[:500], output=(done.stdout + done.stderr)[-2000:])
    return done.stdout
