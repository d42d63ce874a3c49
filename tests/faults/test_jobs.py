"""A job over a real sshd: its link is cut or frozen, and the apply goes on to the job's true end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from amiforge.engine.apply import apply
from amiforge.engine.events import ApplyFinished, Event, JobOutput, LinkLost
from amiforge.errors import CommandFailed
from amiforge.host.base import OnOutput, Output
from amiforge.host.ssh import SshHost
from amiforge.sandbox.forwarder import Forwarder
from amiforge.settings import EngineSettings
from tests.realhost import OS_RELEASE
from tests.sshd import USER, Sshd
from tests.unit.engine.test_apply import Note, Notes

SETTINGS = EngineSettings(link_wait=20)
COUNT = 'for i in 1 2 3 4 5 6 7 8; do echo "line $i"; sleep 0.25; done; printf %s "$2" >"$1"'
PRINTED = "".join(f"line {number}\n" for number in range(1, 9))


class AmazonHost(SshHost):
    """The test's server, taken for Amazon Linux."""

    release: Path

    def run(self, script: str, *, timeout: float | None = None, on_output: OnOutput | None = None) -> Output:
        return super().run(self._mapped(script), timeout=timeout, on_output=on_output)

    @contextmanager
    def hold(self, script: str) -> Iterator[bytes]:
        with super().hold(self._mapped(script)) as printed:
            yield printed

    def _mapped(self, script: str) -> str:
        return script.replace("/etc/os-release", str(self.release)).replace("/run/systemd/system", "/nonexistent")


def amazon(sshd: Sshd, port: int = 0, **settings: Any) -> AmazonHost:
    host = AmazonHost(
        "127.0.0.1",
        USER,
        port=port or sshd.port,
        key=sshd.key,
        host_key=sshd.host_key,
        settings=sshd.ssh(**settings),
    )
    host.release = sshd.path / "os-release"
    host.release.write_text(OS_RELEASE)
    return host


class Recorded:
    """All events of an apply, and something done once when a job's output reaches a line."""

    def __init__(self, line: str, then: Any) -> None:
        self.events: list[Event] = []
        self._line = line
        self._then = then
        self.lost_after = 0.0
        self._done_at = 0.0

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, LinkLost):
            self.lost_after = time.monotonic() - self._done_at
        if self._then and self._line in self.printed:
            then, self._then = self._then, None
            self._done_at = time.monotonic()
            threading.Thread(target=then).start()

    @property
    def printed(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, JobOutput))


@pytest.mark.fault("connection killed under a job")
def test_a_cut_link_is_taken_up_again_and_the_job_goes_on(sshd: Sshd, tmp_path: Path) -> None:
    host, heard = amazon(sshd), Recorded("line 3", sshd.kill_sessions)
    note = Note(str(tmp_path / "a"), write=COUNT, job=True)
    report = apply(host, [Notes(note)], listener=heard, settings=SETTINGS)
    host.close()
    assert report.changed == 1
    assert heard.printed == PRINTED
    assert sum(isinstance(event, LinkLost) for event in heard.events) == 1
    assert isinstance(heard.events[-1], ApplyFinished)
    assert (sshd.connections, host.connections) == (2, 2)


@pytest.mark.fault("connection killed under a job")
def test_a_cut_link_leaves_a_failing_job_its_true_exit_status(sshd: Sshd, tmp_path: Path) -> None:
    host, heard = amazon(sshd), Recorded("line 3", sshd.kill_sessions)
    note = Note(str(tmp_path / "a"), write=f"{COUNT}; exit 42", job=True)
    with pytest.raises(CommandFailed, match="exit status 42"):
        apply(host, [Notes(note)], listener=heard, settings=SETTINGS)
    host.close()
    assert heard.printed == PRINTED


@pytest.mark.fault("silent link")
def test_a_frozen_link_is_noticed_within_the_configured_silence(sshd: Sshd, tmp_path: Path) -> None:
    with Forwarder("127.0.0.1", sshd.port) as link:
        host = amazon(sshd, link.port, silence=2)

        def freeze() -> None:
            link.freeze()
            time.sleep(5)
            link.thaw()

        heard = Recorded("line 2", freeze)
        note = Note(str(tmp_path / "a"), write=COUNT, job=True)
        report = apply(host, [Notes(note)], listener=heard, settings=SETTINGS)
        host.close()
    assert report.changed == 1
    assert heard.printed == PRINTED
    assert 1.5 < heard.lost_after < 4
