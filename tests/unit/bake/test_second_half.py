"""The second half of a bake: what is proven is published, and what fails there costs nothing that is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amiforge.bake import loop
from amiforge.bake.history import History
from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.errors import AmiforgeError, AwsRefused, Parked, PublishIncomplete
from amiforge.settings import PublishSettings
from tests.unit.bake.bench import Bench

WANTED = PublishSettings(protect=True)
Publishing = Callable[..., list[str]]


@pytest.fixture
def publishing(monkeypatch: pytest.MonkeyPatch) -> Publishing:
    """Make publishing two steps, of which the second may fail a few times; gives the list of those that are done."""

    def make(*failures: BaseException) -> list[str]:
        done: list[str] = []
        waiting = list(failures)

        class First(Step):
            title = "first"

            def find(self, run: Run) -> bool:
                return "first" in done

            def do(self, run: Run) -> str:
                done.append("first")
                return ""

        class Second(Step):
            title = "second"

            def do(self, run: Run) -> str:
                if waiting:
                    raise waiting.pop()
                done.append("second")
                return ""

        monkeypatch.setattr(loop, "PUBLISHING", (First(), Second()))
        return done

    return make


def test_what_is_proven_is_published_when_nothing_else_is_left(bench: Bench, publishing: Publishing) -> None:
    done = publishing()
    made = bench.bake(publish=WANTED)
    assert done == ["first", "second"]
    assert bench.cloud.leftovers() == [f"image {made.image}"]
    assert History.of(bench.run_folder).outcome == "baked"


@pytest.mark.parametrize(("verify", "publish"), [(False, WANTED), (True, PublishSettings())])
def test_what_is_not_proven_or_not_to_be_published_is_not(
    bench: Bench, publishing: Publishing, verify: bool, publish: PublishSettings
) -> None:
    done = publishing()
    bench.bake(publish=publish, verify=verify)
    assert done == []


@pytest.mark.parametrize(
    ("failure", "raised", "outcome"),
    [
        (PublishIncomplete("no copy in us-west-2"), PublishIncomplete, "unpublished"),
        (AwsRefused("no", operation="PutParameter", code="AccessDeniedException"), AwsRefused, "unpublished"),
        (AwsRefused("old", operation="PutParameter", code="ExpiredToken"), Parked, "parked"),
        (KeyboardInterrupt(), KeyboardInterrupt, "unpublished"),
    ],
)
def test_publishing_that_fails_is_all_that_is_done_again(
    bench: Bench, publishing: Publishing, failure: BaseException, raised: type[BaseException], outcome: str
) -> None:
    done = publishing(failure)
    with pytest.raises(raised) as caught:
        bench.bake(publish=WANTED)
    history = History.of(bench.run_folder)
    assert (history.outcome, history.resumable) == (outcome, True)
    assert bench.cloud.leftovers() == [f"image {history.image}"]
    if isinstance(caught.value, AmiforgeError):
        assert caught.value.lines["resume"] == f"amiforge resume {history.run}"
        assert history.image in caught.value.lines["image"]
    calls = len(bench.cloud.calls)
    made = bench.resume(publish=WANTED)
    assert made.image == history.image
    assert done == ["first", "second"]
    assert bench.cloud.calls[calls:] == []
    assert made.verification.outcome == "passed"
