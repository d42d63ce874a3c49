from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.host.base import Output
from amiforge.host.fake import FakeHost
from amiforge.host.local import LocalHost
from amiforge.verify.backend import testinfra_host as through


def test_one_session_a_command_and_no_question_about_encodings() -> None:
    fake = FakeHost(lambda _script: Output(3, b"caf\xc3\xa9 \xff"))
    fake.connect()
    result = through(fake).run("echo %s", "a b; id")
    assert (result.rc, result.stdout) == (3, "café \udcff")
    assert fake.scripts == ["echo 'a b; id'"]


@pytest.mark.subprocesses
def test_testinfras_own_modules_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    path = tmp_path / "a file"
    path.write_text("content\n")
    path.chmod(0o640)
    host = through(LocalHost())
    assert host.file(str(path)).content_string == "content\n"
    assert host.file(str(path)).mode == 0o640
    assert not host.file(str(tmp_path / "none")).exists
    assert host.exists("sh")
    assert host.system_info.type == "linux"
