"""Surroundings of all sorts: the same plan, whatever the login shell, the clock and the umask are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from amiforge.engine.apply import apply, plan
from amiforge.resources.directory import Directory
from amiforge.resources.file import File
from amiforge.settings import EngineSettings
from tests.faults.amazon import amazon, login, root_only
from tests.unit.engine.test_apply import Note, Notes

pytestmark = [root_only, pytest.mark.fault("clock, locale, umask and PATH")]
SETTINGS = EngineSettings(lock_wait=2, link_wait=10)


def wanted(place: Path) -> Notes:
    return Notes(
        Directory(str(place / "folder")),
        File(str(place / "folder/file"), "x"),
        Note(str(place / "job"), job=True),
    )


@pytest.mark.parametrize(
    "bashrc",
    [
        "umask 000; export LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 LANGUAGE=de",
        "umask 077; export PATH=/usr/bin:/bin IFS=x POSIXLY_CORRECT=1 BASH_ENV=/nonexistent",
        "export TZ=Pacific/Kiritimati HOME=/nonexistent TMPDIR=/nonexistent; ulimit -n 64",
    ],
)
def test_surroundings_of_the_login_shell_change_nothing(bashrc: str) -> None:
    with amazon(bashrc=f"{bashrc}\n") as server, login(server) as host:
        place = server.path / "place"
        assert len(plan(host, [wanted(place)]).pending) == 3
        assert apply(host, [wanted(place)], settings=SETTINGS).changed == 3
        assert plan(host, [wanted(place)]).pending == ()
        assert server.inside(f"stat -c %a {place}/folder {place}/folder/file").split() == ["755", "644"]


@pytest.mark.parametrize("then", ["1970-01-02", "2107-01-01"])
def test_files_of_another_time_are_judged_by_what_they_hold(then: str) -> None:
    with amazon() as server, login(server) as host:
        place = server.path / "place"
        apply(host, [wanted(place)], settings=SETTINGS)
        server.inside(f"touch -d {then} {place}/folder {place}/folder/file {place}/job")
        assert plan(host, [wanted(place)]).pending == ()
        server.inside(f"printf y >{place}/folder/file; touch -d {then} {place}/folder/file")
        assert [item.item.resource.name for item in plan(host, [wanted(place)]).pending] == [
            f"file {place}/folder/file"
        ]


def test_our_clock_may_jump_while_a_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    real, jumps = time.time, iter([0, 86_400, -86_400] * 1000)
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    with amazon() as server, login(server) as host:
        assert apply(host, [wanted(server.path / "place")], settings=SETTINGS).changed == 3
