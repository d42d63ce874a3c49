from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.process import timed

pytestmark = pytest.mark.subprocesses


def test_a_process_is_timed_with_all_it_prints(tmp_path: Path) -> None:
    code = "import sys, time; print('out'); sys.stdout.flush(); sys.stderr.write('err'); time.sleep(0.2)"
    finished = timed([sys.executable, "-c", code], environment={}, folder=tmp_path)
    assert finished.output == "out\nerr"
    assert finished.seconds >= 0.2


def test_a_process_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3:\nits last words"):
        timed(["sh", "-c", "printf 'its last words'; exit 3"], environment={"PATH": "/bin:/usr/bin"}, folder=tmp_path)


def test_a_process_that_hangs_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"did not end within 0\.2 s"):
        timed(["sleep", "30"], environment={"PATH": "/bin:/usr/bin"}, folder=tmp_path, limit=0.2)
