"""Links that are slow, narrow or end in the middle: patience while something moves, and nothing half done."""

from __future__ import annotations

import time

import pytest

from amiforge.engine.apply import apply
from amiforge.engine.batch import read_system
from amiforge.engine.events import Event, JobOutput
from amiforge.errors import ConnectionLost
from amiforge.resources.file import File
from amiforge.sandbox.forwarder import Forwarder
from amiforge.settings import EngineSettings
from tests.faults.amazon import amazon, listed, lock_is_free, login, root_only
from tests.sshd import Sshd
from tests.unit.engine.test_apply import Note, Notes

pytestmark = root_only
SETTINGS = EngineSettings(lock_wait=2, link_wait=10)
COUNT = 'for i in 1 2 3 4 5; do echo "line $i"; sleep 0.2; done; printf %s "$2" >"$1"'


def everything(server: Sshd, size: int) -> Notes:
    place = server.path / "place"
    return Notes(
        File(str(place / "file"), "x" * size),
        Note(str(place / "quick")),
        Note(str(place / "job"), write=COUNT, job=True),
    )


@pytest.mark.fault("slow link")
@pytest.mark.parametrize(("delay", "silence"), [(0.15, 0.7), pytest.param(1.0, 3, marks=pytest.mark.nightly)])
def test_link_with_a_long_way_to_and_fro_is_not_dead(delay: float, silence: float) -> None:
    heard: list[Event] = []
    with (
        amazon() as server,
        Forwarder("127.0.0.1", server.port) as link,
        login(server, link.port, silence=silence) as host,
    ):
        link.delay = delay
        assert apply(host, [everything(server, 1000)], listener=heard.append, settings=SETTINGS).changed == 3
        assert host.connections == 1
        link.delay = 0
    printed = "".join(event.text for event in heard if isinstance(event, JobOutput))
    assert printed == "".join(f"line {number}\n" for number in range(1, 6))


@pytest.mark.fault("narrow link")
@pytest.mark.parametrize(
    ("rate", "size", "silence"),
    [
        (10_000, 40_000, 1),
        pytest.param(1_000, 20_000, 15, marks=[pytest.mark.nightly, pytest.mark.timeout(600)]),
    ],
)
def test_narrow_link_carries_everything_and_is_not_dead_while_it_does(rate: int, size: int, silence: float) -> None:
    """What is sent fills the link for many times the silence that a dead link is known by."""
    with (
        amazon() as server,
        Forwarder("127.0.0.1", server.port, rate=rate) as link,
        login(server, link.port, silence=silence) as host,
    ):
        started = time.monotonic()
        assert apply(host, [everything(server, size)], settings=SETTINGS).changed == 3
        assert time.monotonic() - started > size / rate > silence
        assert host.connections == 1


@pytest.mark.fault("upload cut")
@pytest.mark.parametrize("share", [0.01, 0.99])
def test_upload_that_is_cut_leaves_the_old_file_or_the_new_one(share: float) -> None:
    size = 3_000_000
    with amazon("echo old >$at/place/file\n") as server, Forwarder("127.0.0.1", server.port) as link:
        place = server.path / "place"
        file = File(str(place / "file"), "x" * size)
        with login(server, link.port) as host:
            [change] = file.changes(frozenset({"content"}), read_system(host))
            link.cut_after = int(size * 4 / 3 * share)
            with pytest.raises(ConnectionLost):
                host.run(change.command.text())
        assert (place / "file").read_text() == "old\n"
        assert listed(server, place) == ["file"]
        with login(server, link.port) as host:
            assert apply(host, [Notes(file)], settings=SETTINGS).changed == 1
        assert (place / "file").read_text() == "x" * size


@pytest.mark.fault("upload cut")
def test_apply_whose_upload_is_cut_does_it_again() -> None:
    with amazon("echo old >$at/place/file\n") as server, Forwarder("127.0.0.1", server.port) as link:
        wanted = Notes(File(str(server.path / "place/file"), "x" * 3_000_000))
        with login(server, link.port) as host:
            link.cut_after = 1_000_000
            assert apply(host, [wanted], settings=SETTINGS).changed == 1
            assert host.connections == 2
        assert listed(server, server.path / "place") == ["file"]
        time.sleep(0.3)
        assert lock_is_free(server)


@pytest.mark.fault("output flood")
def test_flood_of_a_job_arrives_whole_and_in_order() -> None:
    flood = 'head -c 5242880 /dev/zero | tr "\\0" o; head -c 5242880 /dev/zero | tr "\\0" e >&2; printf %s "$2" >"$1"'
    received = 0

    def count(event: Event) -> None:
        nonlocal received
        received += len(event.text) if isinstance(event, JobOutput) else 0

    with amazon() as server, login(server) as host:
        note = Note(str(server.path / "place/note"), write=flood, job=True)
        assert apply(host, [Notes(note)], listener=count, settings=SETTINGS).changed == 1
    assert received == 2 * 5 * 2**20
