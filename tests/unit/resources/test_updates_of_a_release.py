from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.resources import Updates
from tests.realshell import SYSTEM
from tests.unit.resources.law import Law
from tests.unit.resources.package_host import PackageHost

NEWER = {"system-release": ["2023.9.1-0", "2023.9.2-0"], "expat": ["1-1", "2-1"], "tzdata": ["1-1", "2-1"]}


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("security", [["expat"], []])
def test_security_updates_of_a_release_move_to_it(tmp_path: Path, security: list[str]) -> None:
    installed = {name: versions[0] for name, versions in NEWER.items()}
    host = PackageHost(tmp_path, installed=installed, available=NEWER, security=security)
    updates = Updates(security=True, release="latest")
    law = Law(host, SYSTEM)
    (pending,) = law.plan(updates).differences
    assert pending.actual == ("system-release 2023.9.2-0", *(["expat 2-1"] if security else []))
    law.holds(updates, "pending")
    assert host.read()["installed"]["tzdata"] == "1-1"
    assert host.read()["installed"]["system-release"] == "2023.9.2-0"
    host.install(system_release="2023.9.1-0")
    law.holds(updates, "pending")
