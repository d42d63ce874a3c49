from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from amiforge.bake.claim import claim
from amiforge.bake.history import History, histories
from amiforge.bake.manifest import Manifest
from amiforge.bake.resume import find_run
from amiforge.engine.events import Event
from amiforge.errors import AwsRefused, ConfigError, ImageFailed, NoSpace, Parked, RecipeError, RunBusy
from tests.unit.bake.bench import Bench

_PARTS = 4


@pytest.mark.parametrize("part", range(_PARTS))
def test_credentials_that_end_at_any_call_park_the_run_and_resume_makes_exactly_one_image(
    bench: Bench, part: int
) -> None:
    bench.bake()
    calls = list(bench.cloud.calls)
    # What the clean-up may not do is listed, and the image stays.
    last = max(number for number, name in enumerate(calls) if name == "DeleteTags")
    # A look that is repeated is as good as the first one.
    numbers = [n for n, name in enumerate(calls[: last + 1], 1) if name[:8] != "Describe" or calls.index(name) == n - 1]
    for number in numbers[part::_PARTS]:
        bench.cloud.forget_images()
        bench.cloud.calls.clear()
        bench.faults.clear()
        bench.faults[number] = "ExpiredToken"
        try:
            made = bench.bake()
            assert calls[number - 1] in {"DescribeInstances", "TerminateInstances"}, "ending the builder can wait"
        except Parked as parked:
            assert parked.lines["resume"] == f"amiforge resume {bench.run_folder.name}"  # noqa: PT017
            made = bench.resume()
        assert bench.cloud.leftovers() == [f"image {made.image}"], f"{number}: {calls[number - 1]}"
        assert made.verification.outcome == "passed"


def test_an_image_that_is_late_is_parked_and_adopted(bench: Bench) -> None:
    bench.fates = ["pending"]
    with pytest.raises(Parked, match="to be available") as parked:
        bench.bake(image_deadline=60)
    assert parked.value.lines["state"].startswith("pending")
    (late,) = [name for name in bench.cloud.leftovers() if name.startswith("image")]
    bench.set_image(late.split()[1], "available")
    assert f"image {bench.resume().image}" == late
    assert bench.cloud.leftovers() == [late]
    assert bench.cloud.calls.count("CreateImage") == 1


def test_things_of_a_parked_run_expire_later(bench: Bench) -> None:
    bench.faults["CreateImage", 1] = "ExpiredToken"
    with pytest.raises(Parked):
        bench.bake(lifetime=100_000)
    assert bench.cloud.calls.count("CreateTags") == 1


def test_an_image_that_fails_once_is_asked_for_again(bench: Bench) -> None:
    bench.fates = ["failed"]
    made = bench.bake()
    assert bench.cloud.leftovers() == [f"image {made.image}"]
    assert bench.cloud.calls.count("CreateImage") == 2


def test_an_image_that_fails_twice_ends_the_bake(bench: Bench) -> None:
    bench.fates = ["failed", "failed"]
    with pytest.raises(ImageFailed):
        bench.bake()
    assert bench.cloud.leftovers() == []


def test_a_kept_builder_is_provisioned_on_by_resume(bench: Bench) -> None:
    bench.machines.problems = "only 5 KiB are free on /\n"
    with pytest.raises(Exception, match="not fit"):
        bench.bake(on_failure="keep")
    assert find_run(bench.folder).status == "kept"
    bench.machines.problems = ""
    made = bench.resume()
    assert bench.cloud.leftovers() == [f"image {made.image}"]
    assert bench.cloud.calls.count("RunInstances") == 2, "the kept builder, and the one that verifies"


def test_the_manifest_of_a_resumed_run_tells_the_whole_run(bench: Bench) -> None:
    bench.faults["CreateImage", 1] = "ExpiredToken"
    with pytest.raises(Parked):
        bench.bake()
    made = bench.resume()
    steps = [step.name for step in made.steps]
    assert {"provision", "clean", "create image", "verify image"} <= set(steps)
    assert steps.count("provision") == 1
    assert Manifest.model_validate_json((bench.run_folder / "manifest.json").read_text()) == made
    assert [(each.name, each.version) for each in made.inventory.packages] == [("jq", "1.7-1")]


@pytest.mark.parametrize("fault", ["", "UnauthorizedOperation"])
def test_a_run_that_has_ended_cannot_be_resumed(bench: Bench, fault: str) -> None:
    if fault:
        bench.faults["RunInstances", 1] = fault
        with pytest.raises(AwsRefused):
            bench.bake()
    else:
        bench.bake()
    with pytest.raises(ConfigError, match="no run to go on with"):
        bench.resume()
    (history,), _ = histories(bench.folder)
    assert history.status == ("failed" if fault else "baked")
    assert bool(history.image) is not bool(fault)


def test_another_recipe_is_refused_with_every_difference(bench: Bench) -> None:
    bench.faults["CreateImage", 1] = "ExpiredToken"
    with pytest.raises(Parked):
        bench.bake()
    bench.builder = bench.builder.model_copy(update={"volume_gib": 99})
    with pytest.raises(RecipeError) as refused:
        bench.resume()
    assert refused.value.lines["differs"] == "builder.volume_gib was 0, is 99"


def test_a_second_bake_of_the_same_image_says_who_holds_it_since_when(bench: Bench) -> None:
    place: list[int] = []

    def look(event: object) -> None:
        if getattr(event, "step", "") == "provision" and not place:
            place.append(1)
            with pytest.raises(RunBusy) as busy, bench.another():
                bench.bake()
            assert f"(pid {os.getpid()}) since 20" in busy.value.lines["held_by"]
            assert bench.run_folder.name in busy.value.lines["held_by"]

    bench.events = _Told(look)
    bench.bake()
    assert place
    assert bench.bake().image, "nobody holds it any more"


def test_a_run_that_somebody_works_on_is_not_resumed(bench: Bench) -> None:
    bench.faults["CreateImage", 1] = "ExpiredToken"
    with pytest.raises(Parked):
        bench.bake()
    with claim(bench.run_folder / "claim", "the run", "r"):
        assert History.of(bench.run_folder).status == "baking"
        with pytest.raises(ConfigError, match="no run to go on with"):
            find_run(bench.folder)
    bench.resume()


def test_runs_are_found_by_the_beginning_of_their_id(bench: Bench, tmp_path: Path) -> None:
    bench.bake()
    bench.bake()
    first, second = (each.run for each in histories(bench.folder)[0])
    assert find_run(bench.folder, second).run == second
    with pytest.raises(ConfigError, match="several runs begin with '2'"):
        find_run(bench.folder, "2")
    with pytest.raises(ConfigError, match="there is no run 'x'"):
        find_run(bench.folder, "x")
    with pytest.raises(ConfigError, match="no run to go on with"):
        find_run(tmp_path / "nowhere")
    (bench.folder / first / "journal.jsonl").write_text("no journal\n")
    found, wrong = histories(bench.folder)
    assert [each.run for each in found] == [second]
    assert "journal.jsonl:1" in wrong[0].message


def test_a_second_signal_leaves_the_rest_and_says_what_removes_it(bench: Bench) -> None:
    def interrupted(event: Event) -> None:
        if getattr(event, "step", "") in {"validate", "clean up"}:
            os.kill(os.getpid(), signal.SIGINT)

    bench.events = _Told(interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.bake()
    assert bench.cloud.leftovers()
    history = find_run(bench.folder)
    assert history.status == "interrupted"
    bench.events = []
    made = bench.resume()
    assert bench.cloud.leftovers() == [f"image {made.image}"]


@pytest.mark.parametrize("step", ["provision", "clean up"])
def test_a_terminal_that_is_gone_does_not_cost_the_bake(bench: Bench, step: str) -> None:
    def gone(event: Event) -> None:
        if getattr(event, "step", "") == step:
            raise OSError(errno.EIO, "Input/output error")

    bench.events = _Told(gone)
    made = bench.bake()
    assert bench.cloud.leftovers() == [f"image {made.image}"]


@pytest.mark.parametrize("line", [1, 10, 30, 60])
def test_a_disk_that_is_full_here_ends_the_bake_with_nothing_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, line: int
) -> None:
    written = 0

    def write(file: int, text: bytes) -> int:
        nonlocal written
        written += 1
        return _write(file, text[:7] if written >= line else text)

    _write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        with pytest.raises(NoSpace, match=r"cannot write the journal .*journal.jsonl: No space left on device"):
            bench.bake()
    assert bench.cloud.leftovers() == []


class _Told(list[Event]):
    def __init__(self, tell: object) -> None:
        super().__init__()
        self._tell = tell

    def append(self, event: Event) -> None:
        self._tell(event)  # type: ignore[operator]
