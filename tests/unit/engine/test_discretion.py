"""Listeners hear of everything but secrets."""

from __future__ import annotations

import json

from amiforge.engine.discretion import Discreet
from amiforge.engine.events import (
    CheckFinished,
    Event,
    JobOutput,
    LinkLost,
    ResourceFinished,
    StepFinished,
    Waiting,
)
from amiforge.redaction import Redaction


def heard(*events: Event, hidden: str = "hunter22") -> list[Event]:
    found: list[Event] = []
    listen = Discreet(found.append, Redaction([hidden]))
    for event in events:
        listen(event)
    return found


def output(*events: Event) -> str:
    return "".join(event.text for event in heard(*events) if isinstance(event, JobOutput))


def test_every_word_of_an_event_is_masked() -> None:
    [event] = heard(
        ResourceFinished(
            task="a", resource="x hunter22", status="ok", seconds=1.5, differences={"hunter22": ("hunter22", "new")}
        )
    )
    assert isinstance(event, ResourceFinished)
    assert (event.resource, event.differences) == ("x [secret]", {"[secret]": ("[secret]", "new")})
    assert "hunter22" not in json.dumps(event.as_json())


def test_a_secret_printed_in_pieces_is_masked_also_when_the_link_dies_in_its_midst() -> None:
    pieces = [JobOutput(task="a", resource="x", text=text) for text in ("so: hun", "ter", "22\n", "hunt")]
    others = [LinkLost(host="h", reason="gone"), Waiting(what="a lock", seconds=1)]
    assert output(pieces[0], others[0], pieces[1], others[1], *pieces[2:]) == "so: [secret]\n"


def test_what_is_held_back_comes_when_the_output_has_ended() -> None:
    end = StepFinished(step="provision", seconds=1)
    events = heard(JobOutput(task="a", resource="x", text="I hunt"), JobOutput(task="b", resource="y", text="hu"), end)
    assert [getattr(event, "text", "") for event in events] == ["I ", "hunt", "hu", ""]
    assert [getattr(event, "task", "") for event in events] == ["a", "a", "b", ""]


def test_our_own_words_stay_even_if_a_secret_is_one_of_them() -> None:
    [event] = heard(CheckFinished(task="a", title="b passed", outcome="passed"), hidden="passed")
    assert isinstance(event, CheckFinished)
    assert (event.title, event.outcome) == ("b [secret]", "passed")
