from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from amiforge.cli.nodes import Nodes, summary
from amiforge.engine.events import CheckFinished
from amiforge.errors import AmiforgeError, CheckFailed, HostError, Unreachable
from amiforge.verify.verification import HostOutcome, Verification


def check(title: str, outcome: str = "passed", detail: str = "") -> CheckFinished:
    return CheckFinished(task="efa", title=title, outcome=outcome, detail=detail)  # type: ignore[arg-type]


GOOD = (check("it is installed"), check("a device is up", "skipped", "none here"))
BAD = (check("it is installed", "failed", "expected '1.47.0',\nfound '1.43.3'"), GOOD[1])


def cluster(number: int) -> Verification:
    """Give a cluster whose seventh node is not like the others, and whose last one is not there."""
    hosts = [HostOutcome(f"node{each:03}", GOOD, None, {"kernel": "6.1.150"}, 3) for each in range(1, number + 1)]
    hosts[6] = HostOutcome("node007", BAD, None, {"kernel": "6.1.148", "package gdb": "12"}, 4)
    hosts[-1] = HostOutcome(hosts[-1].host, (), Unreachable("no answer of it within 10 s"), {}, 10)
    return Verification("eks_gpu", tuple(hosts), 10)


@pytest.mark.parametrize("width", [80, 160])
def test_a_hundred_nodes_are_few_lines_and_the_odd_one_is_named(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = "\n".join(summary(cluster(100), width)).splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split() for line in lines if line and not line.startswith("─")] == [
        ["hosts", "number", "checks", "slowest"],
        ["node[001-006,008-099]", "98", "1", "passed,", "1", "skipped", "3.0", "s"],
        ["node007", "1", "1", "failed,", "1", "skipped", "4.0", "s"],
        ["node100", "1", "not", "verified", "10", "s"],
        ["failed"],
        ["efa:", "it", "is", "installed:", "node007:", "expected", "'1.47.0',", "found", "'1.43.3'"],
        ["not", "verified"],
        ["node100:", "no", "answer", "of", "it", "within", "10", "s"],
        ["not", "the", "same", "everywhere"],
        ["kernel:", "98x", "6.1.150,", "1x", "6.1.148", "(node007)"],
        ["package", "gdb:", "98x", "absent,", "1x", "12", "(node007)"],
    ]


def test_where_all_is_well_there_is_one_row() -> None:
    lines = [*summary(Verification("x", tuple(HostOutcome(f"n{each}", GOOD) for each in range(10))), 80)]
    assert lines[0].splitlines()[-1].split() == ["n[0-9]", "10", "1", "passed,", "1", "skipped", "0.0", "s"]
    assert len(lines) == 1


def test_what_only_half_of_the_hosts_have_names_both_halves() -> None:
    hosts = [HostOutcome(name, GOOD, None, {"kernel": version}) for name, version in (("a", "1"), ("b", "2"))]
    assert [*summary(Verification("x", tuple(hosts)), 80)][-1].strip() == "kernel: 1x 1 (a), 1x 2 (b)"


@pytest.mark.parametrize(
    ("hosts", "kind", "status"),
    [
        (cluster(10).hosts, CheckFailed, 1),
        (cluster(10).hosts[7:], HostError, 3),
        (cluster(10).hosts[-1:], Unreachable, 3),
        (cluster(10).hosts[6:7], CheckFailed, 1),
    ],
)
def test_a_failed_check_weighs_more_than_a_host_that_is_away(
    hosts: tuple[HostOutcome, ...], kind: type[AmiforgeError], status: int
) -> None:
    with pytest.raises(kind) as error:
        Verification("eks_gpu", hosts).refuse_failures()
    assert error.value.exit_status == status


def test_the_live_view_counts_and_keeps_what_is_wrong() -> None:
    stream = StringIO()
    with Nodes("verify eks_gpu", 10, Console(file=stream, force_terminal=True, width=80, color_system=None)) as nodes:
        for host in cluster(10).hosts:
            nodes.see(host.event())
    lines = [line for line in stream.getvalue().replace("\r", "\n").splitlines() if line.strip()]
    assert "failed  node007: 1 failed, 1 skipped" in stream.getvalue()
    assert "unknown  node010: no answer of it within 10 s" in stream.getvalue()
    assert "verify eks_gpu  10 of 10 hosts  8 passed  1 failed  1 unknown" in lines[-1]
