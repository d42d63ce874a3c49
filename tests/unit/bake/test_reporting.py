from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.bake.reporting import reporting
from amiforge.errors import TaskError
from tests.unit.bake.report.runs import first, write


@pytest.mark.parametrize("error", [TaskError("it broke", fix="mend it"), KeyboardInterrupt(), ValueError("ours")])
def test_whatever_ends_a_run_names_its_report(error: BaseException, tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [first()])
    with pytest.raises(type(error)) as caught, reporting(folder, {}):
        raise error
    assert caught.value.__notes__[-1] == f"report: {folder / 'report.html'}"
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_a_run_that_ends_well_leaves_its_report(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", [first()])
    with reporting(folder, {}):
        assert not (folder / "report.html").exists()
    assert (folder / "report.html").exists()


def test_a_report_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    with reporting(tmp_path / "nowhere", {}):
        pass
    error = TaskError("it broke")
    with pytest.raises(TaskError, match="it broke"), reporting(tmp_path / "nowhere", {}):
        raise error
    assert error.lines == {}
