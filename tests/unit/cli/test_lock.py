from __future__ import annotations

import json
from pathlib import Path

import pytest

from amiforge.cli.app import run
from amiforge.engine.download import Download
from amiforge.engine.lockfile import Lockfile
from amiforge.errors import Unreachable
from amiforge.recipes import lock
from amiforge.systems.trust import Trust
from tests.unit.resources.test_signing_key import FINGERPRINT

FILE = Download("file", "https://vendor.example/file")
KEY = Download("key", "https://vendor.example/key")
KNOWN = Download("file", "https://vendor.example/known", "a" * 64)


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """What vendors serve, by address; recipes fetch all of it."""
    documents = {FILE.url: "f" * 64, KEY.url: FINGERPRINT}

    def fetch(download: Download, _mirror: str = "") -> str:
        if download.url not in documents:
            raise Unreachable(f"{download.url}: 404")
        return documents[download.url]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "fetch", fetch)
    monkeypatch.setattr("amiforge.recipes.supply.downloads", lambda _recipe: (FILE, KEY, KNOWN))
    return documents


def test_what_is_learned_is_written_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lock", "eks_gpu"]) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()] == [
        ["added", "file", FILE.url],
        ["added", "key", KEY.url],
        ["known", "file", KNOWN.url],
        ["amiforge.lock:", "2", "added,"],
    ]
    assert Lockfile(Path("amiforge.lock")).trust() == Trust({FILE.url: "f" * 64}, {KEY.url: FINGERPRINT})


def test_programs_get_one_object_a_download(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lock", "eks_gpu", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {"status": "added", "kind": "file", "url": FILE.url, "value": "f" * 64, "was": ""}
    assert len(rows) == 3


def test_what_changed_is_refused_until_it_is_wanted(served: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    run(["lock", "eks_gpu"])
    served[FILE.url] = "e" * 64
    assert run(["lock", "eks_gpu"]) == 1
    output = capsys.readouterr()
    assert f"was {'f' * 64}" in output.out
    assert "--update" in output.err
    assert run(["lock", "eks_gpu", "--update"]) == 0
    assert Lockfile(Path("amiforge.lock")).trust().digests == {FILE.url: "e" * 64}


def test_what_cannot_be_had_ends_the_command_after_all_the_rest(
    served: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    del served[FILE.url]
    assert run(["lock", "eks_gpu"]) == 3
    assert "1 downloads could not be recorded" in capsys.readouterr().err
    assert Lockfile(Path("amiforge.lock")).trust().fingerprints == {KEY.url: FINGERPRINT}


def test_a_system_that_no_recipe_is_for_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lock", "eks_gpu", "--os", "plan9"]) == 2
    assert "plan9" in capsys.readouterr().err
