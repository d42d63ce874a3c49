"""A server that amiforge takes for Amazon Linux, with mounts and programs that misbehave; only root can have one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from amiforge.host.ssh import SshHost
from tests.realhost import OS_RELEASE
from tests.sshd import ROOT, Sshd

root_only = pytest.mark.skipif(not ROOT, reason="mounts and namespaces of its own need root")

BOOT = "11111111-1111-4111-8111-111111111111"


@contextmanager
def amazon(
    setup: str = "",
    programs: Mapping[str, str] | None = None,
    places: tuple[str, ...] = ("place",),
    **options: Any,
) -> Iterator[Sshd]:
    """Give a running server. `$at` in `setup` and `programs` is its folder, in which `places` are folders."""
    server = Sshd(os_release=OS_RELEASE, boot_id=BOOT, **options)
    for place in places:
        (server.path / place).mkdir()
    server.setup = f"at={server.path}\n{setup}"
    server.programs = {name: f"at={server.path}\n{text}" for name, text in (programs or {}).items()}
    with server:
        yield server


@contextmanager
def login(server: Sshd, port: int | None = None, **settings: Any) -> Iterator[SshHost]:
    host = server.host(port=port, **settings)
    host.connect()
    try:
        yield host
    finally:
        host.close()


def listed(server: Sshd, path: Path) -> list[str]:
    """Give the names in a folder as the server sees it, hidden ones too."""
    return server.inside(f"ls -A {path}").split()


def lock_is_free(server: Sshd) -> bool:
    return server.inside("ls -A /run/amiforge 2>/dev/null | grep -v jobs || :").strip() == ""
