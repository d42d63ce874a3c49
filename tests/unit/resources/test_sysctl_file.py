from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amiforge.engine.query import Query, Replies
from amiforge.errors import RecipeError
from amiforge.resources import SysctlFile
from amiforge.resources.file_state import FileState, look_at
from amiforge.resources.sysctl import FIXED, live_value
from tests.realshell import SYSTEM, ask, converge, differing, own_etc

MACHINE = replace(SYSTEM, container=False)
VALUES: dict[str, str | int] = {"net.ipv4.tcp_rmem": "1  2\t3", "net.core.rmem_max": 9}


def test_file_and_live_values_are_wanted_of_a_machine() -> None:
    resource = SysctlFile("x", VALUES)
    file = resource.desired(MACHINE)["file"]
    assert resource.desired(MACHINE) == {"file": file, "net.core.rmem_max": "9", "net.ipv4.tcp_rmem": "1 2 3"}
    assert resource.desired(SYSTEM) == {"file": file}


def test_only_what_differs_is_set() -> None:
    resource = SysctlFile("x", VALUES)
    (change,) = resource.changes(frozenset({"net.ipv4.tcp_rmem"}), MACHINE)
    assert change.command.args == ("net/ipv4/tcp_rmem", "1 2 3")


def test_a_value_that_nobody_may_change_counts_as_wanted() -> None:
    resource = SysctlFile("x", VALUES)
    answers: dict[Query[Any], Any] = {
        look_at("/etc/sysctl.d/60-x.conf"): FileState(),
        live_value("net.core.rmem_max"): FIXED,
        live_value("net.ipv4.tcp_rmem"): "1 1 1",
    }
    found = resource.actual(Replies(answers), MACHINE)
    assert found == {"file": None, "net.core.rmem_max": "9", "net.ipv4.tcp_rmem": "1 1 1"}


@pytest.mark.parametrize(("name", "values"), [("../x", {"a.b": 1}), ("x", {"a": 1}), ("x", {"a.b": ""})])
def test_impossible_files_are_refused(name: str, values: dict[str, str | int]) -> None:
    with pytest.raises(RecipeError):
        SysctlFile(name, values)


@pytest.mark.shell
@pytest.mark.subprocesses
def test_the_file_is_written_and_drift_in_it_mended(tmp_path: Path) -> None:
    within = own_etc(tmp_path)
    resource = SysctlFile("x", VALUES)
    converge(ask(resource, within=within), within=within)
    path = tmp_path / "etc/sysctl.d/60-x.conf"
    assert path.read_text() == "net.core.rmem_max = 9\nnet.ipv4.tcp_rmem = 1 2 3\n"
    path.write_text("net.core.rmem_max = 1\n")
    assert differing(ask(resource, within=within)) == {"file"}
