"""How many examples the properties are tried with, and how many that were.

`HYPOTHESIS_PROFILE=nightly` tries 1,000 of each, other ones every time; the default is 50, always the same.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import wraps
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

#: Nothing here depends on how fast a machine is.
_ALWAYS: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
_EXAMPLES = "examples"

settings.register_profile("default", max_examples=50, derandomize=True, database=None, **_ALWAYS)
settings.register_profile("nightly", max_examples=1000, print_blob=True, **_ALWAYS)
settings.load_profile(_PROFILE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None]:
    """Count the examples of a property, and note their number in its report."""
    if not is_hypothesis_test(item.obj):
        return (yield)
    tried, test = 0, item.obj.hypothesis.inner_test

    @wraps(test)
    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal tried
        tried += 1
        return test(*args, **kwargs)

    item.obj.hypothesis.inner_test = counted
    try:
        return (yield)
    finally:
        item.obj.hypothesis.inner_test = test
        item.user_properties.append((_EXAMPLES, tried))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many examples were tried in all."""
    counts = [
        count
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, count in report.user_properties
        if name == _EXAMPLES
    ]
    if counts:
        terminalreporter.write_line(f"{len(counts)} properties, {sum(counts)} examples (profile {_PROFILE})")
