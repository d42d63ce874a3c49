"""A program for tests to signal: applies a quick command, a file and a job over SSH, and ends as `amiforge` does."""

from __future__ import annotations

import sys
from pathlib import Path

from amiforge.cli import app as cli
from amiforge.engine.apply import apply
from amiforge.engine.events import Event
from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh
from amiforge.resources.file import File
from tests.sshd import USER
from tests.unit.engine.test_apply import Note, Notes

QUICK = 'for i in $(seq 16); do echo "$i" >>"$1.beat"; sleep 0.05; done; printf %s "$2" >"$1"'
JOB = 'echo begun >>"$1.begun"; for i in $(seq 5); do echo "$i"; sleep 0.2; done; printf %s "$2" >"$1"'


def wanted(place: Path) -> Notes:
    return Notes(
        Note(str(place / "quick"), write=QUICK),
        File(str(place / "file"), "x" * 200_000),
        Note(str(place / "job"), write=JOB, job=True),
    )


def work(args: list[str], **_options: object) -> None:
    port, folder = args
    path = Path(folder)
    settings = Ssh(config=path / "ssh_config", known_hosts=path / "known_hosts")
    host_key = (path / "host_key.pub").read_text().strip()
    host = SshHost("127.0.0.1", USER, port=int(port), key=path / "key", host_key=host_key, settings=settings)
    host.connect()
    apply(host, [wanted(path / "place")], listener=tell)
    host.close()


def tell(event: Event) -> None:
    print(type(event).__name__, flush=True)  # noqa: T201 - to who signals us


if __name__ == "__main__":
    cli.app = work  # type: ignore[assignment] # what is interrupted does not matter to how that is taken
    sys.exit(cli.run(sys.argv[1:]))
