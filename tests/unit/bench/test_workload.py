from __future__ import annotations

import ast
import json
from collections import Counter

from amiforge.sandbox.catalog import read_catalog
from amiforge.systems.system import System
from tests.bench.workload import COUNT, PACKAGES, Workload, deploy, playbook
from tests.realshell import SYSTEM

KINDS = [34, 33, 33]


def resources(system: System = SYSTEM) -> Counter[str]:
    return Counter(type(resource).__name__ for resource in Workload().resources(system))


def test_every_tool_gets_a_hundred_steps_none_of_them_merged() -> None:
    (play,) = json.loads(playbook())
    tasks = Counter(next(iter(task)) for task in play["tasks"])
    calls = Counter(
        ast.unparse(line.value.func)
        for line in ast.parse(deploy()).body
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call)
    )
    assert list(resources().values()) == list(tasks.values()) == list(calls.values()) == KINDS
    assert sum(KINDS) == COUNT == 100


def test_the_sandbox_offers_every_package() -> None:
    offered = {package.name for package in read_catalog().packages if "core" in package.repository}
    assert set(PACKAGES) <= offered
    assert len(set(PACKAGES)) == len(PACKAGES)
