"""A kept package is built again when, and only when, what it is made of changes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from amiforge.sandbox import rpm
from amiforge.sandbox.pool import Pool
from amiforge.sandbox.signing import SigningKey
from amiforge.sandbox.standins import Build
from tests.unit.sandbox.standin import make


class Key(SigningKey):
    """Signs nothing."""

    def __init__(self) -> None:
        self.print = "ABCD"

    def fingerprint(self) -> str:
        return self.print

    def sign_rpms(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.write_text("signed")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the rpms that were built."""
    names: list[str] = []

    def build_packages(wanted: Iterable[Build], work: Path, key: SigningKey) -> dict[str, Path]:
        work.mkdir(parents=True, exist_ok=True)
        made = {build.name: work / build.name for build in wanted}
        for name, path in made.items():
            path.touch()
            names.append(name)
        key.sign_rpms(made.values())
        return made

    monkeypatch.setattr(rpm, "build_packages", build_packages)
    return names


def test_only_what_changed_is_built_and_what_nobody_wants_is_forgotten(tmp_path: Path, built: list[str]) -> None:
    key = Key()
    pool = Pool(tmp_path / "kept", key, tmp_path / "work")
    (one,), (two,), (deb,) = make("one"), make("two"), make("deb", repository="ubuntu")
    places = pool.take([one, two, deb, *make("one", repository="nvidia")])
    assert built == [one.name, two.name]
    assert [places[build.name].read_bytes()[:6] for build in (one, deb)] == [b"signed", b"!<arch"]

    (changed,) = make("two", files={"/a": "new"})
    assert pool.take([one, changed, deb]).items() >= {one.name: places[one.name], deb.name: places[deb.name]}.items()
    assert built == [one.name, two.name, changed.name]
    assert not places[two.name].exists()

    key.print = "EFGH"
    pool.take([one])
    assert built[3:] == [one.name]
