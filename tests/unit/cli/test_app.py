from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amiforge.cli import app as program
from amiforge.cli.app import run
from amiforge.cli.options import complete_recipe
from amiforge.errors import CommandFailed, LaunchFailed, UsageError
from amiforge.recipes.recipe import Recipe


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_args: object) -> None:
        raise error

    monkeypatch.setattr("amiforge.recipes.names", fail)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("no"), 2),
        (CommandFailed("no", ran="dnf"), 1),
        (LaunchFailed("no"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_end_has_its_exit_status_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int
) -> None:
    failing(monkeypatch, error)
    assert run(["list"]) == status
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("✗ ")
    assert "Traceback" not in output.err


def test_a_defect_of_ours_leaves_its_traceback_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failing(monkeypatch, ZeroDivisionError("by nothing"))
    assert run(["list"]) == 1
    error = capsys.readouterr().err
    (log,) = (tmp_path / ".amiforge").glob("crash-*.log")
    assert "unexpected ZeroDivisionError: by nothing" in error
    assert str(log) in error
    assert "Traceback" not in error
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_programs_unwinds_like_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr("amiforge.recipes.names", lambda: os.kill(os.getpid(), number))
    assert run(["list"]) == 130


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["bake"], "Missing argument"),
        (["apply", "eks_gpu"], "Missing option '--host'"),
        (["bake", "eks_gpu", "--on-failure", "ask"], "'ask'"),
        (["verify", "eks_gpu"], "give either --host [USER@]ADDRESS or --ami AMI"),
        (["verify", "eks_gpu", "--host", "h", "--ami", "ami-1"], "give either"),
        (["plan", "eks_gp"], "did you mean eks_gpu?"),
        (["bake", "dlami_gpux"], "dlami_gpux"),
        (["bake", "eks_gpu", "--region", ""], "--region is empty"),
        (["plan", "eks_gpu", "--set", "aws_efa"], "--set aws_efa: not of the form"),
        (["plan", "eks_gpu", "--config", "gone.toml"], "gone.toml: no such file"),
        (["plan", "eks_gpu", "--host", "not a host"], "not a host: 'not a host'"),
        (["sandbox", "ssh", "i-1"], "no instance i-1 runs in the sandbox"),
    ],
)
def test_bad_input_ends_with_2_and_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    args: list[str],
    words: str,
) -> None:
    monkeypatch.setenv("AMIFORGE_SANDBOX", str(tmp_path / "sandbox"))
    assert run(args) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert words in output.err
    assert "Traceback" not in output.err


def test_version_and_help_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("amiforge ")
    for command in ([], ["bake"], ["plan"], ["apply"], ["verify"], ["show"], ["list"], ["sandbox"], ["sandbox", "ssh"]):
        assert run([*command, "--help"]) == 0
        assert f"amiforge {' '.join(command)}".rstrip() in capsys.readouterr().out


def test_list_names_every_recipe_and_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    text = capsys.readouterr().out
    assert "eks_gpu" in text
    assert "nvidia_driver" in text
    assert "gpu-current" in text
    assert "al2023 (x86_64" in text


def test_list_as_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert next(row for row in rows if row.get("recipe") == "eks_gpu")["os"] == "al2023"
    assert [row["task"] for row in rows if "task" in row] == sorted(row["task"] for row in rows if "task" in row)


def test_show_lists_every_option_with_its_value_and_marks_what_is_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "eks_gpu", "--options", "--set", "builder.volume_gib=200"]) == 0
    rows = {" ".join(line.split()[:3]) for line in capsys.readouterr().out.splitlines()}
    assert "* volume_gib 200" in rows
    assert "volume_iops 3000 gp3" in rows


def test_show_as_json_has_source_builder_and_tasks_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "eks_gpu", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["violations"] == []
    efa = next(each for each in shown["software"] if each["title"] == "EFA installer")
    assert (efa["version"], efa["why"].partition(":")[0]) == ("1.50.0", "gpu-stable")
    assert list(shown["tasks"])[:2] == ["packages", "aws_cli"]
    assert shown["source"]["os"] == "al2023"
    assert shown["builder"]["address"] == "public"


P3 = ["eks_gpu", "--instances", "p3", "--set", "nvidia_driver.version=595.91.07"]


@pytest.mark.parametrize("command", ["show", "plan", "bake"])
def test_what_does_not_go_together_is_refused_before_anything_else(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run([command, *P3]) == 5
    error = capsys.readouterr().err
    assert "NVIDIA driver 595.91.07 and p3: " in error
    assert "--allow driver-too-new --allow kernel-modules" in error


def test_what_is_allowed_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *P3, "--allow", "driver-too-new", "--allow", "kernel-modules"]) == 0
    warned = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in warned] == [
        ["! eks_gpu on al2023", "driver-too-new"],
        ["! eks_gpu on al2023", "kernel-modules"],
    ]


def test_an_allowed_rule_must_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "eks_gpu", "--allow", "driver-to-new"]) == 2
    assert "did you mean driver-too-new?" in capsys.readouterr().err


def test_show_says_where_a_version_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "eks_gpu", "--set", "aws_efa.version=1.51.0"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("EFA installer"))
    assert "1.51.0" in row
    assert "--set aws_efa.version" in row


def test_a_refused_recipe_does_not_keep_the_others_from_baking(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def bake(recipe: Recipe, *_: object, **__: object) -> None:
        tried.append(recipe.name)
        raise LaunchFailed("no capacity")

    monkeypatch.setattr("amiforge.cli.bake._bake", bake)
    assert run(["bake", "eks_gpu", "dlami_neuron", "--set", "nvidia_driver.kernel_modules=proprietary"]) == 5
    assert tried == ["dlami_neuron"]
    output = capsys.readouterr()
    assert output.err.index("kernel-modules") < output.err.index("no capacity")
    assert [line.split()[0] for line in output.out.strip().splitlines()[2:]] == ["eks_gpu", "dlami_neuron"]


def test_several_bakes_share_a_sandbox(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    log: list[str] = []

    @contextmanager
    def session(**_: object) -> Iterator[None]:
        log.append("up")
        yield
        log.append("down")

    def bake(recipe: Recipe, *_: object, **__: object) -> None:
        log.append(recipe.name)
        raise LaunchFailed("no capacity")

    monkeypatch.setattr("amiforge.sandbox.lifecycle.session", session)
    monkeypatch.setattr("amiforge.cli.bake._bake", bake)
    assert run(["bake", "eks_gpu", "dlami_neuron", "--sandbox"]) == 4
    assert run(["bake", "eks_gpu", "--sandbox"]) == 4
    assert log == ["up", "eks_gpu", "dlami_neuron", "down", "eks_gpu"]
    assert "no capacity" in capsys.readouterr().err


def test_plan_without_a_host_names_every_resource(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "eks_gpu", "--set", "nvidia_driver.version=595.91.07"]) == 0
    text = capsys.readouterr().out
    assert "al2023 x86_64" in text
    assert "nvidia-driver = 595.91.07" in text
    assert "no host was asked" in text


def test_plan_as_json_is_one_resource_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "eks_gpu", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"task", "resource", "where", "differences", "changes", "unknown"} == set(rows[0])
    assert {row["task"] for row in rows} >= {"packages", "nvidia_driver", "aws_efa", "aws_lustre"}


def test_recipe_names_are_completed() -> None:
    assert "eks_gpu" in complete_recipe("eks")
    assert complete_recipe("zzz") == []


def test_every_command_stands_in_the_program() -> None:
    commands = {command.name for command in program.app.registered_commands}
    assert commands == {
        *("list", "show", "plan", "apply", "bake", "resume", "report", "runs", "diff", "sbom", "publish", "promote"),
        *("rollback", "images", "prune", "debug", "gc", "verify", "lock"),
    }
    assert [group.name for group in program.app.registered_groups] == ["sandbox"]


def test_a_builder_is_not_promised_to_be_kept_in_a_sandbox_that_ends_with_the_bake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AMIFORGE_SANDBOX", str(tmp_path))
    assert run(["bake", "eks_gpu", "--sandbox", "--on-failure", "keep"]) == 2
    assert "amiforge sandbox up" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
