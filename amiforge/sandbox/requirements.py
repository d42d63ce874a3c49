"""What this machine must have before anything can boot on it."""

from __future__ import annotations

from pathlib import Path


def missing_requirements(path: Path) -> list[str]:
    """Say what is missing for a sandbox in the folder `path`, one sentence each; empty when all is there."""
    raise NotImplementedError(path)


def require(path: Path) -> None:
    """Do nothing when all is there.

    Raises:
        SandboxUnavailable: names everything missing and the command that installs it.
    """
    raise NotImplementedError(path)
