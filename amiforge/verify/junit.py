"""The outcome of a verification as JUnit XML, which every CI system reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from amiforge.engine.events import CheckFinished

# What XML 1.0 cannot hold, not even escaped.
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, recipe: str, outcomes: Sequence[CheckFinished]) -> None:
    """Write one test suite for the recipe, with one test case a check."""
    counts = {kind: str(sum(each.outcome == kind for each in outcomes)) for kind in ("failed", "skipped")}
    numbers = {"tests": str(len(outcomes)), "failures": counts["failed"], "errors": "0", "skipped": counts["skipped"]}
    seconds = f"{sum(each.seconds for each in outcomes):.3f}"
    root = Element("testsuites", numbers, time=seconds)
    suite = SubElement(root, "testsuite", numbers, name=f"amiforge.{recipe}", time=seconds)
    for outcome in outcomes:
        _add(suite, recipe, outcome)
    indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _add(suite: Element, recipe: str, outcome: CheckFinished) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=f"amiforge.{recipe}.{outcome.task}",
        name=_writable(outcome.title),
        time=f"{outcome.seconds:.3f}",
    )
    tag = {"failed": "failure", "skipped": "skipped"}.get(outcome.outcome)
    if tag:
        SubElement(case, tag, message=_writable(outcome.detail))


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
