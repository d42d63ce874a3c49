from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amiforge.engine.events import ArtifactRecorded, KeyRecorded, TaskStarted
from amiforge.engine.lockfile import Lockfile, recorded
from amiforge.errors import ConfigError
from amiforge.systems.trust import Trust

URL = "https://vendor.example/driver-1.0.run"
KEY = "https://vendor.example/key.asc"


def test_what_is_recorded_is_read_back_and_the_rest_is_kept(tmp_path: Path) -> None:
    lock = Lockfile(tmp_path / "amiforge.lock")
    assert lock.trust() == Trust()
    lock.listen(ArtifactRecorded(url=URL, sha256="a" * 64))
    lock.listen(KeyRecorded(url=KEY, fingerprint="A" * 40))
    lock.listen(TaskStarted(task="other"))
    lock.listen(ArtifactRecorded(url=f"{URL}2", sha256="b" * 64))
    assert Lockfile(lock.path).trust() == Trust({URL: "a" * 64, f"{URL}2": "b" * 64}, {KEY: "A" * 40})


def test_the_file_is_sorted_so_that_its_history_can_be_read(tmp_path: Path) -> None:
    lock = Lockfile(tmp_path / "amiforge.lock")
    lock.record(Trust({"https://z/z": "1" * 64, "https://a/a": "2" * 64}))
    rows = [line for line in lock.path.read_text().splitlines() if line.startswith('"')]
    assert rows == [f'"https://a/a" = "{"2" * 64}"', f'"https://z/z" = "{"1" * 64}"']


@pytest.mark.parametrize(
    "text",
    ["[sha256", "sha256 = 3", '[sha256]\n"x" = 1', '[sha256]\n"x" = "short"', f'[keys]\n"x" = "{"a" * 40}"'],
)
def test_a_file_that_is_no_lock_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "amiforge.lock"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"amiforge\.lock"):
        Lockfile(path).trust()


def test_a_file_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        Lockfile(tmp_path / "no" / "amiforge.lock").record(Trust({URL: "a" * 64}))


def test_what_downloads_and_keys_say_of_themselves_is_recorded_and_nothing_else_is() -> None:
    output = (
        f"downloading\namiforge: recorded sha256: {'c' * 64} {URL}\namiforge: recorded sha256: short {URL}\n"
        f"amiforge: recorded key: {'C' * 40} {KEY}\namiforge: recorded key: {'c' * 40} {KEY}\n"
    )
    assert [replace(event, at=0) for event in recorded(output)] == [
        ArtifactRecorded(at=0, url=URL, sha256="c" * 64),
        KeyRecorded(at=0, url=KEY, fingerprint="C" * 40),
    ]
