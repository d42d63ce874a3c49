"""What every test lives with: no sockets, no programs, no AWS, unless its mark says so.

A test that reaches out without saying so fails, also where the code under test would have swallowed the error: what
is raised is no `Exception`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from xdist.scheduler import LoadScopeScheduling

SOCKET_MARKS = ("sockets", "sandbox")
PROGRAM_MARKS = ("subprocesses", "shell", "sandbox")
AWS_VARIABLES = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
)


#: What belongs together, by the start of a test's id; the first that fits counts.
TOGETHER = {
    "tests/sandbox/test_law": "law",
    "tests/sandbox/": "sandbox",
    "tests/faults/test_machines": "machines",
    "tests/faults/": "accounts",
    "tests/unit/resources/test_user": "accounts",
    "tests/unit/verify/test_plugin": "accounts",
}


class Unmarked(BaseException):
    """A test did what its marks do not allow."""


class Together(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives one worker what one process at a time can do, and spreads everything else.

    There is one sandbox for all tests, and another one for the law, which takes as long as all others. And a test that
    changes this machine's accounts takes those that a test's sshd laid over them away: a mount on a file ends when the
    file is replaced.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((group for path, group in TOGETHER.items() if nodeid.startswith(path)), nodeid)


def pytest_configure() -> None:
    """Hear Ctrl-C also where a shell started the tests in the background, which makes them deaf to it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Take the place of xdist's own groups, which its version 3.8 does not form under pytest 9."""
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here."""
    reason = sandbox_missing()
    for item in items:
        if reason and item.get_closest_marker("sandbox"):
            item.add_marker(pytest.mark.skip(reason=f"sandbox layer: {reason}"))


def sandbox_missing() -> str:
    """Say why no machine can boot here; empty when one can."""
    if os.geteuid() != 0:
        return "not root"
    missing = [name for name in ("systemd-nspawn", "mmdebstrap", "unshare") if not shutil.which(name)]
    return f"{', '.join(missing)} not installed" if missing else ""


@pytest.fixture(autouse=True)
def _blocked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    marks = {mark.name for mark in request.node.iter_markers()}
    if not marks & set(SOCKET_MARKS):
        monkeypatch.setattr(socket.socket, "connect", _refuse("connect a socket", "sockets"))
        monkeypatch.setattr(socket.socket, "connect_ex", _refuse("connect a socket", "sockets"))
        monkeypatch.setattr(socket.socket, "bind", _refuse("bind a socket", "sockets"))
    if not marks & set(PROGRAM_MARKS):
        monkeypatch.setattr(subprocess, "Popen", _Program)
        monkeypatch.setattr(os, "system", _refuse("start a program", "subprocesses"))
        monkeypatch.setattr(os, "posix_spawn", _refuse("start a program", "subprocesses"))
    _no_aws(monkeypatch, tmp_path)


def _no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide every account of this machine: no credentials, no region, no instance metadata."""
    for name in (*AWS_VARIABLES, *(name for name in os.environ if name.startswith("AMIFORGE_"))):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def _refuse(what: str, mark: str) -> Any:
    def refuse(*args: object, **_kwargs: object) -> NoReturn:
        raise Unmarked(f"this test wants to {what} ({args[1:2] or args}); mark it with @pytest.mark.{mark}")

    return refuse


class _Program(subprocess.Popen[Any]):
    """Still a class, since others subclass and annotate with `subprocess.Popen`; but none can be made."""

    def __init__(self, *args: object, **_kwargs: object) -> None:
        self.returncode = 0  # for the destructor
        raise Unmarked(f"this test wants to start {args[:1]}; mark it with @pytest.mark.subprocesses")

    def __del__(self) -> None:
        """Nothing was started, so nothing is left."""
