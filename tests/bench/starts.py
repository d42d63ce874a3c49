"""What it costs to start us."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.process import timed
from tests.bench.table import Row, below


def starts(runs: int) -> Iterator[Row]:
    """Measure whole processes that do next to nothing, the interpreter's own start included."""
    program = str(Path(sys.executable).parent / "amiforge")
    commands = {
        "import amiforge": ([sys.executable, "-c", "import amiforge"], 0.15),
        "amiforge --help": ([program, "--help"], 0.4),
    }
    for name, (words, most) in commands.items():
        times = [timed(words, environment=dict(os.environ), folder=Path("/")).seconds for _ in range(runs)]
        yield below(f"{name}, whole process", median(times), most=most)
