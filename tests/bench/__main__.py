"""`python -m tests.bench`: prints the table of budgets, measured here and now; needs root, as the sandbox does."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from amiforge.errors import AmiforgeError
from amiforge.sandbox.lifecycle import session
from tests.bench.applies import BUDGETS, applies
from tests.bench.bakes import eks_gpu, empty_bakes
from tests.bench.machine import machines
from tests.bench.starts import starts
from tests.bench.table import Row, render
from tests.bench.tools import REPOSITORY, prepare_peers
from tests.bench.verifies import verifies

FOLDER = REPOSITORY / ".bench"
PARTS = ("starts", "bakes", "verifies", "applies")


def main() -> int:
    """Measure what is asked for, print the table, and write it to .bench/table.md.

    A missed budget is a result, not a failure: the exit status is 0. When something breaks it is 1, and the table has
    the rows before that.
    """
    options = _options()
    # so that a kill unwinds too, and removes what was started
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    FOLDER.mkdir(exist_ok=True)
    about = [f"Measured {_now()}", prepare_peers(FOLDER), f"load before {_load()}"]
    rows: list[Row] = []
    status = 0
    try:
        rows.extend(_measured(options))
    except (AmiforgeError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"bench: {error}\n")
        status = 1
    about += [f"load after {_load()}", f"{os.cpu_count()} CPUs, Python {platform.python_version()}"]
    text = f"{'; '.join(about)}.\n\n{render(rows)}"
    (FOLDER / "table.md").write_text(text)
    sys.stdout.write(text)
    return status


def _measured(options: argparse.Namespace) -> Iterator[Row]:
    runs = {"amiforge": options.runs, "pyinfra": options.peer_runs, "Ansible": options.peer_runs}
    if "starts" in options.parts:
        yield from starts(2 * options.runs)
    with session() as endpoint, machines(endpoint, FOLDER) as launcher:
        if "bakes" in options.parts:
            yield from empty_bakes(launcher.cloud, FOLDER, options.peer_runs)
            yield from eks_gpu(launcher.cloud, FOLDER)
        if "verifies" in options.parts:
            yield from verifies(launcher.cloud, FOLDER, options.runs)
        if "applies" in options.parts:
            yield from applies(launcher, FOLDER, runs, options.rtt)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"what to measure, of {', '.join(PARTS)}; all by default")
    parser.add_argument("--runs", type=int, default=5, help="runs of amiforge, of which the median counts")
    parser.add_argument("--peer-runs", type=int, default=1, help="runs of each peer, likewise; they take minutes")
    parser.add_argument("--rtt", type=int, action="append", choices=BUDGETS, help="round trips in ms; all by default")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    options.parts = options.parts or PARTS
    options.rtt = options.rtt or tuple(BUDGETS)
    return options


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
