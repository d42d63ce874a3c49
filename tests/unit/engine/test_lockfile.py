from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.engine.events import ArtifactRecorded, TaskStarted
from amiforge.engine.lockfile import Lockfile, recorded
from amiforge.errors import ConfigError

URL = "https://vendor.example/driver-1.0.run"


def test_what_is_recorded_is_read_back_and_the_rest_is_kept(tmp_path: Path) -> None:
    lock = Lockfile(tmp_path / "amiforge.lock")
    assert lock.digests() == {}
    lock.listen(ArtifactRecorded(url=URL, sha256="a" * 64))
    lock.listen(TaskStarted(task="other"))
    lock.listen(ArtifactRecorded(url=f"{URL}2", sha256="b" * 64))
    assert Lockfile(lock.path).digests() == {URL: "a" * 64, f"{URL}2": "b" * 64}


@pytest.mark.parametrize("text", ["[sha256", '[sha256]\n"x" = 1', '[sha256]\n"x" = "short"'])
def test_a_file_that_is_no_lock_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "amiforge.lock"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"amiforge\.lock"):
        Lockfile(path).digests()


def test_what_a_download_says_of_itself_is_recorded_and_nothing_else_is() -> None:
    output = f"downloading\namiforge: recorded sha256: {'c' * 64} {URL}\namiforge: recorded sha256: short {URL}\n"
    assert [(event.url, event.sha256) for event in recorded(output)] == [(URL, "c" * 64)]
