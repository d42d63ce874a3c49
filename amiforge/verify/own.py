"""Other people's checks: files of tests that pytest runs against hosts that are connected already."""

from __future__ import annotations

import io
import threading
from collections.abc import Generator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from amiforge.engine.discretion import masked
from amiforge.engine.events import CheckFinished, Listener, silent
from amiforge.errors import AmiforgeError, ConfigError, HostError
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.redaction import Redaction, secrets_in
from amiforge.verify.plugin import SUBJECT, SUBJECTS
from amiforge.verify.subject import Subject
from amiforge.verify.verification import refuse_failures

#: In this process and this thread, one test after the other, whatever the user's settings are for a run of their own.
_ALONE = ("-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:faulthandler", "--capture=sys")
#: Pytest would rather have imported us itself; where warnings are errors, that ends the run.
_AS_IT_IS = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
_OUTPUT = 4_000
#: Pytest takes the whole process for itself; bakes side by side take turns.
_PYTEST = threading.Lock()


def own_checks(
    host: Host, recipe: Recipe, files: Sequence[str], listener: Listener = silent
) -> tuple[CheckFinished, ...]:
    """Run tests against one host; they take the fixtures `host`, `recipe` and `system`.

    Args:
        host: a connected host.
        recipe: what it should be.
        files: files or folders of tests, as pytest takes them.
        listener: gets a `CheckFinished` for each test as it comes; its task is the file's name.

    Raises:
        CheckFailed: some test failed; raised when all were run, and names each.
        HostError: the host could not be asked, which says nothing about it.
        ConfigError: there is no such file, or no test in them.
    """
    lost, checks = run_tests([Subject(host.address, host, recipe)], files, listener)
    for error in lost.values():
        raise error
    refuse_failures(checks, f"{', '.join(files)} on {host.address}")
    return checks


def run_tests(
    subjects: Sequence[Subject], files: Sequence[str], listener: Listener = silent
) -> tuple[dict[str, HostError], tuple[CheckFinished, ...]]:
    """Run tests against every subject; give those that were lost on the way, by name, and what came of each test.

    Raises:
        ConfigError: there is no such file, or no test in them.
    """
    refuse_missing(files)
    witness = _Witness(subjects, listener)
    said = io.StringIO()
    with _PYTEST, redirect_stdout(said), redirect_stderr(said):
        status = pytest.main(
            [*_ALONE, *_AS_IT_IS, "-p", "amiforge.verify.plugin", *(str(Path(file).absolute()) for file in files)],
            [witness],
        )
    _refuse_no_outcome(pytest.ExitCode(status), witness, files, said.getvalue())
    return witness.lost, tuple(witness.checks)


def refuse_missing(files: Sequence[str]) -> None:
    """Do nothing where all files of tests are there.

    Raises:
        ConfigError: one is not.
    """
    for file in files:
        if not Path(file.partition("::")[0]).exists():
            raise ConfigError(f"no tests at {file}: no such file or folder", fix="name files or folders of tests")


def _refuse_no_outcome(status: pytest.ExitCode, witness: _Witness, files: Sequence[str], said: str) -> None:
    if status is pytest.ExitCode.NO_TESTS_COLLECTED:
        raise ConfigError(f"no test in {', '.join(files)}", fix="name functions test_… that take `host`")
    if status is pytest.ExitCode.INTERRUPTED and not witness.checks:
        raise KeyboardInterrupt
    if status in {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}:
        raise AmiforgeError(f"pytest cannot run {', '.join(files)}", pytest=said[-_OUTPUT:])


@dataclass(eq=False)
class _Witness:
    """A plugin that brings the subjects along, and tells of every test."""

    subjects: Sequence[Subject]
    listener: Listener
    checks: list[CheckFinished] = field(default_factory=list)
    lost: dict[str, HostError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._redaction = Redaction(secret for each in self.subjects for secret in secrets_in(each.recipe))

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Bring the subjects along."""
        config.stash[SUBJECTS] = self.subjects

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell of a file that cannot be read: it proves nothing, so it is a failure."""
        if report.failed:
            self._tell("", report.nodeid, "it can be read", "failed", report.longreprtext[-_OUTPUT:])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell of a test that came to its end, or that never began."""
        report = yield
        subject = _subject(item)
        name = subject.name if subject else ""
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, HostError):
            self.lost.setdefault(name, error)
        elif report.when == "call" or report.outcome != "passed":
            self._tell(name, item.nodeid, _title(item, name), report.outcome, _reason(report))
        return report

    def _tell(
        self, host: str, node: str, title: str, outcome: Literal["passed", "failed", "skipped"], detail: str
    ) -> None:
        task = Path(node.partition("::")[0]).stem
        place = host if len(self.subjects) > 1 else ""
        check = CheckFinished(task=task, title=title, outcome=outcome, detail=detail, host=place)
        self.checks.append(masked(check, self._redaction))
        self.listener(self.checks[-1])


def _subject(item: pytest.Item) -> Subject | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(SUBJECT) if callspec else None


def _title(item: pytest.Item, host: str) -> str:
    """Give a test's name without its host's."""
    name = getattr(item, "originalname", None) or item.name
    others = item.name.removeprefix(name).strip("[]").replace(host, "").strip("-").replace("--", "-")
    return f"{name}[{others}]" if others else name


def _reason(report: pytest.TestReport) -> str:
    """Say in short why a test did not pass, and where."""
    if report.outcome == "passed":
        return ""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    where = f" ({Path(crash.path).name}:{crash.lineno})" if crash else ""
    return f"{crash.message if crash else report.longreprtext[-_OUTPUT:]}{where}"
