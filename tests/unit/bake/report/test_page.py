from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amiforge.bake.report import write_report
from amiforge.bake.report.page import dollars
from amiforge.engine import events
from amiforge.engine.events import Event
from tests.unit.bake.report.runs import START, asked, first, line, write

VOID = {"meta", "col", "br", "input"}
#: What could make a browser fetch something or run a script.
REACHING = {"src", "srcset", "href", "action", "data", "poster", "background", "style", "xlink:href", "formaction"}
HOSTILE = (
    '</pre></script><script>alert(1)</script><img src=//evil.example onerror="x">\' " & {{ 7 * 7 }} {% raw %}'
    " \u202e\x00"
)


class Page(HTMLParser):
    """A page as a browser would see it: its elements in order, with their texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_data(" ")
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in dict.fromkeys(self._open):
            self.texts[tag][-1] += data

    def text(self, tag: str = "body") -> str:
        return " ".join(" ".join(self.texts.get(tag, ())).split())

    def values(self, name: str) -> Iterator[str]:
        yield from (value for _, each, value in self.attributes if each == name)


def run(text: str) -> tuple[list[dict[str, Any]], list[Event], dict[str, Any]]:
    """Give a failed run in which everything that comes from outside says this."""
    about = {"InstanceType": text, "BlockDeviceMappings": [{"Ebs": {"VolumeSize": 20}}]}
    inventory = {"os": text, "kernel": text, "packages": {text: text}, "modules": [{"name": text, "version": text}]}
    lines = [
        first(
            recipe=text, os=text, arch=text, region=text, image=text, host=text, options={text: {text: [text, None]}}
        ),
        line(0, "known", step=text, about={"source": {"ami": text, "name": text}, "image": {"id": text}}),
        line(0, "known", step=text, about={"publication": [{"region": text, "image": text, "shared_with": [text]}]}),
        asked(0, "RunInstances", about),
        asked(1, "RunInstances", {"InstanceId": [text]}, "answered"),
        line(8, "failed", step=text, error=f"CommandFailed: {text}", lines={"fix": text, text: f"{text}\n{text}"}),
        line(9, "ended", outcome="failed"),
    ]
    named = {"task": text, "resource": text}
    heard: list[Event] = [
        events.StepStarted(at=START, step=text),
        events.Waiting(at=START + 2, what=text, seconds=2),
        events.DownloadStarted(at=START + 2, summary=text, **named),
        events.TaskStarted(at=START + 2, task=text),
        events.ChangeStarted(at=START + 3, summary=text, command=text, **named),
        events.JobOutput(at=START + 3, text=f"{text}\n", **named),
        events.ResourceFinished(
            at=START + 4, task=text, resource=text, status="changed", differences={text: (text, text)}
        ),
        events.RebootStarted(at=START + 4, host=text, reason=text),
        *(
            events.CheckFinished(at=START + 6, task=text, title=outcome + text, outcome=outcome, detail=text)
            for outcome in ("passed", "failed", "skipped")
        ),
        events.StepFinished(at=START + 7, step=text, seconds=7, detail=text),
    ]
    return lines, heard, {"commit": text, "inventory": inventory, "components": [{"title": text, "task": text}]}


def made(folder: Path, lines: list[dict[str, Any]], heard: list[Event] | None = None, manifest: object = None) -> Page:
    return Page(write_report(write(folder, lines, heard or (), manifest)).read_text())


def hostile(text: str) -> Page:
    with TemporaryDirectory() as folder:
        return made(Path(folder), *run(text))


@pytest.mark.parametrize("text", ["x", HOSTILE])
def test_a_page_fetches_nothing_and_runs_only_its_own_script(text: str) -> None:
    page = hostile(text)
    assert {value for _, name, value in page.attributes if name in REACHING} <= {
        f"#{name}" for name in ("timeline", "checks", "work", "versions", "cost")
    }
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "use", "image"} & set(page.tags)
    assert not re.search(r"@import|url\((?!#)|//|src:", page.text("style"))
    assert page.tags.count("script") == 1
    (policy,) = (value for value in page.values("content") if "default-src" in value)
    hashes = [
        base64.b64encode(hashlib.sha256(page.texts[tag][0].encode()).digest()).decode() for tag in ("style", "script")
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


@settings(max_examples=25, deadline=None)
@given(text=st.text(min_size=1).map(lambda text: f"{text}<b>&amp;") | st.just(HOSTILE))
def test_what_comes_from_outside_is_text_and_nothing_else(text: str) -> None:
    page, harmless = hostile(text), hostile("x\n" if "\n" in text.strip() else "x")
    assert set(page.tags) <= set(harmless.tags) | {"pre"}
    assert page.tags.count("script") == 1
    assert {name for _, name, _ in page.attributes} == {name for _, name, _ in harmless.attributes}
    assert "<b>&amp;" in page.text() or text == HOSTILE
    assert not re.search(r"[\x00\u202e]", page.text())


def test_a_page_is_built_as_screen_readers_need_it() -> None:
    page = hostile("x")
    assert (page.tags.count("h1"), page.tags.count("main"), page.texts["title"][0][:10]) == (1, 1, "✗ Failed: ")
    assert ("html", "lang", "en") in page.attributes
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.tags.count("th") == len([1 for tag, name, _ in page.attributes if (tag, name) == ("th", "scope")])
    ids = list(page.values("id"))
    assert len(ids) == len(set(ids))
    assert set(page.values("aria-labelledby")) <= set(ids)
    svgs = [name for tag, name, _ in page.attributes if tag == "svg" and name in {"aria-hidden", "role"}]
    assert len(svgs) == page.tags.count("svg")


def test_the_first_thing_on_the_page_of_a_failed_run_is_why_and_what_helps(tmp_path: Path) -> None:
    failed = line(
        8, "failed", step="provision", error="CommandFailed: it broke", lines={"output": "a\nb", "fix": "mend"}
    )
    page = made(tmp_path, [first(), failed, line(9, "ended", outcome="failed")])
    assert page.text("header").startswith(
        "✗ Failed eks_gpu al2023 x86_64 it broke in step “provision” CommandFailed Fix mend"
    )


def test_a_task_that_broke_shows_its_last_output_where_the_journal_has_none(tmp_path: Path) -> None:
    named = {"task": "t", "resource": "r"}
    heard = [
        events.ChangeStarted(at=START, summary="s", command="c", **named),
        events.JobOutput(at=START, text="10%\r\x1b[31mno such package\x1b[0m\n", **named),
    ]
    page = made(tmp_path, [first(), line(8, "failed", step="provision", error="CommandFailed: it broke")], heard)
    assert "last output no such package" in page.text("header")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([line(1, "ended", outcome="baked", image="ami-1")], "Baked eks_gpu al2023 x86_64 ami-1 in eu-west-1"),
        ([line(1, "known", about={"verification": "passed"}), line(2, "ended", outcome="baked")], "✓ Verified"),
        ([line(1, "known", about={"verification": "skipped"}), line(2, "ended", outcome="baked")], "! Not verified"),
        (
            [line(1, "ended", outcome="parked", reason="no room")],
            "! Parked eks_gpu al2023 x86_64 no room go on amiforge resume",
        ),
        ([line(1, "ended", outcome="kept", log_in="ssh -i k h")], "log in ssh -i k h"),
        ([line(1, "started", step="provision")], "✗ Died eks_gpu al2023 x86_64 its process ended without a word"),
        ([line(1, "ended", outcome="incomplete", left="i-1")], "! Leftovers eks_gpu al2023 x86_64 still there: i-1"),
        (
            [
                line(1, "known", about={"refused": {"reason": "sshd is masked", "kept_until": "Friday"}}),
                line(2, "failed", step="verify image", error="CheckFailed: sshd is masked"),
                line(3, "ended", outcome="failed", image="ami-1"),
            ],
            "✗ Failed at the gate eks_gpu al2023 x86_64 sshd is masked",
        ),
    ],
)
def test_what_became_of_a_run_is_said_in_a_word(tmp_path: Path, lines: list[dict[str, Any]], told: str) -> None:
    assert told in made(tmp_path, [first(), *lines]).text("header")


def test_both_passes_of_the_gate_stand_side_by_side_failed_checks_first(tmp_path: Path) -> None:
    def check(title: str, outcome: Any, detail: str = "") -> Event:
        return events.CheckFinished(at=START + 1, task="gate", title=title, outcome=outcome, detail=detail)

    heard = [
        events.StepStarted(at=START, step="verify image"),
        check("sshd runs", "passed"),
        check("swap is off", "passed"),
        events.RebootStarted(at=START + 1, host="h", reason="twice"),
        events.RebootFinished(at=START + 1, host="h", seconds=1, kernel="6"),
        check("after a reboot: swap is off", "failed", "2 GiB are in use"),
        check("after a reboot: sshd runs", "passed"),
    ]
    page = made(tmp_path, [first(), line(9, "ended", outcome="failed")], heard)
    shown = page.text()
    assert "1 failed, 1 passed; verify image; verify image, after a reboot" in shown
    assert shown.index("swap is off") < shown.index("sshd runs")
    assert "swap is off 2 GiB are in use passed failed" in shown


def test_a_price_that_is_not_known_is_asked_for(tmp_path: Path) -> None:
    lines = [first(), asked(0, "RunInstances", {"InstanceType": "x9.huge"})]
    lines += [asked(1, "RunInstances", {"InstanceId": ["i-1"]}, "answered"), line(1801, "ended", outcome="failed")]
    folder = write(tmp_path, lines)
    assert "No price is known for x9.huge: set report.prices." in Page(write_report(folder).read_text()).text()
    priced = Page(write_report(folder, {"x9.huge": 8.0}).read_text()).text()
    assert "$8.0 an hour (settings) 4.0000" in priced
    assert "as of 2026-01-19" in priced


@pytest.mark.parametrize(("amount", "text"), [(0, "$0.00"), (0.004, "< $0.01"), (1234.5, "$1,234.50")])
def test_amounts_are_never_rounded_to_nothing(amount: float, text: str) -> None:
    assert dollars(amount) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(("inventory", "components", "publication", "versions", "commit"))


@settings(max_examples=40, deadline=None)
@given(manifest=st.dictionaries(NAMES, JSON) | JSON, told=JSON, known=st.dictionaries(NAMES, JSON))
def test_what_is_not_understood_is_passed_over(manifest: Any, told: Any, known: Any) -> None:
    with TemporaryDirectory() as name:
        folder = write(Path(name), [first(), line(1, "known", about=known)], (), manifest)
        kinds = ("StepStarted", "ResourceFinished", "Waiting", told)
        odd = [json.dumps({"event": kind, "at": told, "step": told, "task": told, "seconds": told}) for kind in kinds]
        (folder / "events.jsonl").write_text("\n".join([*odd, json.dumps(told), '{"event": "StepSta']))
        Page(write_report(folder).read_text())


def test_a_report_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [first()])
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="there"):
        write_report(folder, to=tmp_path / "there")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_report_is_written_to_what_a_link_names_and_never_in_its_place(tmp_path: Path) -> None:
    folder, link = write(tmp_path / "run", [first()]), tmp_path / "link"
    link.symlink_to(tmp_path / "named")
    write_report(folder, to=link)
    assert link.is_symlink()
    assert Page((tmp_path / "named").read_text()).text()
