"""Start, find and end the sandbox. Nothing here imports moto: the server is a process of its own."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from amiforge.engine.events import Listener, StepFinished, StepStarted, silent
from amiforge.errors import SandboxUnavailable
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.machine import Machine, cleanup
from amiforge.sandbox.mirror import build_mirror
from amiforge.sandbox.process import Process, locked
from amiforge.sandbox.requirements import require
from amiforge.sandbox.root import build_root
from amiforge.sandbox.sources import ROOTS

#: Seconds a server gets to be ready (its mirror is made before), and to end.
_READY = 60.0
_END = 30.0
_LOG_TAIL = 2000
#: Who starts or ends the sandbox of a folder holds this file in it.
_LOCK = "lifecycle.lock"


@dataclass(frozen=True, slots=True)
class Status:
    """What of a sandbox is there.

    Attributes:
        endpoint: the running server; None when there is none.
        instances: state of each instance that has a machine, by id.
        images: ids of the images made in the sandbox.
        stray: machines on disk that no server looks after; `down` removes them.
    """

    endpoint: Endpoint | None
    instances: dict[str, str]
    images: tuple[str, ...]
    stray: tuple[str, ...]


def up(
    folder: Folder | None = None,
    *,
    port: int = 0,
    system: str = "",
    listener: Listener = silent,
) -> Endpoint:
    """Start the sandbox, or find the one that runs. The first start makes its mirror: some ten seconds.

    Source images are made when they are first launched, each once: a minute or two, most of it for their root.

    Args:
        folder: where everything lies.
        port: of the API on 127.0.0.1; 0 takes any free one. Not used when it runs already.
        system: operating system that will be launched for certain: its root is made beside the mirror.
        listener: told of the steps.

    Raises:
        SandboxUnavailable: this machine lacks something, or the server did not start; carries its last words.
        CommandFailed: the mirror could not be made.
    """
    folder = folder or Folder.default()
    if endpoint := running(folder):
        return endpoint
    require(folder)
    with locked(folder.path / _LOCK) as lock:
        if endpoint := running(folder):
            return endpoint
        _remove_leftovers(folder)
        with _step(listener, "prepare sandbox", str(folder.path)):
            _prepare(folder, system)
        with _step(listener, "start sandbox", str(folder.path)):
            _start(folder, lock, port)
    endpoint = running(folder)
    if not endpoint:
        raise _not_started(folder)
    return endpoint


def running(folder: Folder | None = None) -> Endpoint | None:
    """Give the endpoint of the sandbox that runs, if one does."""
    folder = folder or Folder.default()
    server = Process.read(folder.pid_file("server"))
    return Endpoint.read(folder.server_json) if server and server.alive else None


def status(folder: Folder | None = None) -> Status:
    """Say what of the sandbox is there."""
    folder = folder or Folder.default()
    endpoint = running(folder)
    health = _health(endpoint) if endpoint else None
    if health is None:
        return Status(endpoint, {}, _images_on_disk(folder), _machines_on_disk(folder))
    instances: dict[str, str] = health["instances"]
    stray = tuple(name for name in _machines_on_disk(folder) if name not in instances)
    return Status(endpoint, instances, tuple(health["images"]), stray)


def down(folder: Folder | None = None) -> None:
    """End the sandbox: server and machines, whatever state they are in. Images, root and mirror stay."""
    folder = folder or Folder.default()
    if not folder.path.is_dir():
        return
    with locked(folder.path / _LOCK):
        server = Process.read(folder.pid_file("server"))
        if server and server.signal(signal.SIGTERM) and not server.wait(_END):
            server.signal(signal.SIGKILL)
            server.wait(_END)
        _remove_leftovers(folder)


@contextmanager
def session(folder: Folder | None = None, *, system: str = "", listener: Listener = silent) -> Iterator[Endpoint]:
    """Give a sandbox for the duration: the running one, or one of its own that is taken down at the end.

    At the end also means an error, Ctrl-C, and SIGTERM where the program has no other plans for it. The arguments are
    those of `up`.

    Raises:
        SandboxUnavailable: see `up`.
        CommandFailed: see `up`.
    """
    folder = folder or Folder.default()
    if endpoint := running(folder):
        yield endpoint
        return
    with _terminable():
        try:
            yield up(folder, system=system, listener=listener)
        finally:
            down(folder)


def _prepare(folder: Folder, system: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        root = pool.submit(build_root, folder, ROOTS[system]) if system else None
        build_mirror(folder)
    if root:
        root.result()


def _start(folder: Folder, lock: int, port: int) -> None:
    # The server holds our lock, too, until its pid file is there: killed now, we leave nothing that `down` overlooks.
    ready, told = os.pipe()
    module = [sys.executable, "-m", "amiforge.sandbox.server", str(folder.path)]
    options = ["--port", str(port), "--lock", str(lock), "--ready", str(told)]
    try:
        with _log(folder).open("w") as log:
            subprocess.run(
                ["setsid", "--fork", *module, *options],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[told, lock],
                check=True,
            )
    finally:
        os.close(told)
    with os.fdopen(ready, "rb", buffering=0) as pipe:
        if not select.select([pipe], [], [], _READY)[0] or not pipe.read(1):
            raise _not_started(folder)


def _not_started(folder: Folder) -> SandboxUnavailable:
    words = _log(folder).read_text(errors="replace")[-_LOG_TAIL:]
    return SandboxUnavailable(
        "the sandbox's server did not start", server=words, log=str(_log(folder)), fix="amiforge sandbox down"
    )


def _log(folder: Folder) -> Path:
    return folder.path / "server.log"


def _remove_leftovers(folder: Folder) -> None:
    cleanup(folder)
    for name in _machines_on_disk(folder):
        Machine(folder, name).remove()
    shutil.rmtree(folder.machines, ignore_errors=True)
    folder.server_json.unlink(missing_ok=True)
    folder.pid_file("server").unlink(missing_ok=True)


def _machines_on_disk(folder: Folder) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.machines.glob("i-*")))


def _images_on_disk(folder: Folder) -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in folder.images.glob("*/image.json")))


def _health(endpoint: Endpoint) -> dict[str, Any] | None:
    try:
        with urlopen(f"{endpoint.url}/amiforge/health", timeout=10) as answer:  # noqa: S310 - our own server
            health: dict[str, Any] = json.load(answer)
            return health
    except (URLError, ValueError, OSError):
        return None


@contextmanager
def _step(listener: Listener, step: str, detail: str) -> Iterator[None]:
    began = time.monotonic()
    listener(StepStarted(step=step, detail=detail))
    yield
    listener(StepFinished(step=step, seconds=time.monotonic() - began))


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack, if it would end the program on the spot."""
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
