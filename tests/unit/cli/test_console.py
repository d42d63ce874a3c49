from __future__ import annotations

import json
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from amiforge.cli import app
from amiforge.cli.console import listening
from amiforge.engine.events import StepStarted
from amiforge.errors import CommandFailed
from amiforge.shell import Secret


def run(*, as_json: bool, aside: bool = False, hide: object = None) -> None:
    with listening("bake", json=as_json, aside=aside, hide=hide) as listener:
        listener(StepStarted(step="launch"))
        raise CommandFailed("no room", ran="dnf")


def test_json_ends_with_the_failure_and_nothing_but_json_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandFailed):
        run(as_json=True, aside=True)
    output = capsys.readouterr()
    started, failed = (json.loads(line) for line in output.out.splitlines())
    assert (started["event"], started["step"]) == ("StepStarted", "launch")
    assert (failed["event"], failed["message"], failed["lines"]) == ("Failed", "no room", {"ran": "dnf"})
    assert output.err == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_what_must_be_hidden_is_in_nothing_that_is_shown(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandFailed) as caught:
        run(as_json=as_json, hide=[Secret("launch"), Secret("no room")])
    output = capsys.readouterr()
    assert not [word for word in ("launch", "no room") if word in f"{output} {caught.value.block()}"]
    assert output.out.count("[secret]") == 2


def test_without_a_terminal_plain_lines_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandFailed):
        run(as_json=False)
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [
        ["step", "launch"],
        ["failed", "no", "room"],
    ]


def test_aside_leaves_stdout_to_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandFailed):
        run(as_json=False, aside=True)
    output = capsys.readouterr()
    assert output.out == ""
    assert "launch" in output.err


@pytest.mark.parametrize("error", [ValueError("no hunter22"), CalledProcessError(1, ["login", "hunter22"])])
def test_the_log_of_a_crash_keeps_what_must_be_hidden(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def crash() -> None:
        with listening("bake", json=False, hide=[Secret("hunter22")]):
            raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app, "app", lambda **_: crash())
    assert app.run([]) == 1
    said = capsys.readouterr().err + "".join(path.read_text() for path in tmp_path.rglob("crash-*.log"))
    assert "[secret]" in said
    assert "hunter22" not in said
