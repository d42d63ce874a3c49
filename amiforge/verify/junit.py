"""The outcome of a verification as JUnit XML, which every CI system reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from amiforge.engine.events import CheckFinished
from amiforge.verify.verification import HostOutcome

# What XML 1.0 cannot hold, not even escaped.
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, recipe: str, hosts: Sequence[HostOutcome]) -> None:
    """Write one test suite a host, with one test case a check; a host that could not be asked is an error there."""
    root = Element("testsuites", _numbers(hosts))
    for host in hosts:
        place = f"{host.host}: " if len(hosts) > 1 else ""
        _add_host(root, f"{place}amiforge.{recipe}", host)
    indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _add_host(root: Element, name: str, host: HostOutcome) -> None:
    suite = SubElement(root, "testsuite", _numbers([host]), name=name, hostname=_writable(host.host))
    for check in host.checks:
        _add(suite, f"{name}.{check.task}", check)
    if host.error:
        case = SubElement(suite, "testcase", classname=name, name="the host can be verified", time="0.000")
        SubElement(case, "error", message=_writable(host.error.block()))


def _add(suite: Element, classname: str, check: CheckFinished) -> None:
    name, seconds = _writable(check.title), f"{check.seconds:.3f}"
    case = SubElement(suite, "testcase", classname=_writable(classname), name=name, time=seconds)
    tag = {"failed": "failure", "skipped": "skipped"}.get(check.outcome)
    if tag:
        SubElement(case, tag, message=_writable(check.detail))


def _numbers(hosts: Sequence[HostOutcome]) -> dict[str, str]:
    errors = sum(host.error is not None for host in hosts)
    return {
        "tests": str(sum(len(host.checks) for host in hosts) + errors),
        "failures": str(sum(host.count("failed") for host in hosts)),
        "errors": str(errors),
        "skipped": str(sum(host.count("skipped") for host in hosts)),
        "time": f"{sum(check.seconds for host in hosts for check in host.checks):.3f}",
    }


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
