"""Run the deaths and print what came of them: `python -m tests.deaths [--few] [--processes N] [--seed N]`."""

from __future__ import annotations

import gc
import os
import pickle
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import botocore.client
import botocore.session
import moto.core.responses

from amiforge.ec2.session import open_clients
from amiforge.sandbox.api.app import App
from amiforge.settings import AwsSettings
from tests.deaths.deaths import Outcome, Plan, boundaries, play
from tests.deaths.ec2 import REGION, warmed
from tests.deaths.plans import Lines, all_, few
from tests.deaths.process import Moment, spawn


def main(arguments: Sequence[str]) -> int:
    """Give the exit status: 0 when nothing leaked."""
    parser = ArgumentParser(prog="python -m tests.deaths")
    parser.add_argument("--few", action="store_true", help="every boundary once, resumed and collected by turns")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    app = prepare()
    lines, seconds = boundaries(Plan(Moment(), "resume"), app)
    failing, _ = boundaries(Plan(Moment(), "resume", bad=True), app)
    published, _ = boundaries(Plan(Moment(), "resume", publish=True), app)
    longest = Lines(lines, failing, published)
    plans = [*(few(longest) if options.few else all_(longest, seconds, options.seed))]
    outcomes = share(plans, options.processes, app)
    print(*summary(outcomes, published), f"in {time.monotonic() - began:.0f} s", sep="\n", flush=True)  # noqa: T201 - its purpose
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


def prepare() -> App:
    """Load once, before any child is made, what each of them needs; gives the endpoint that each EC2 is a fork of."""
    os.environ |= {"AWS_EC2_METADATA_DISABLED": "true", "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    botocore.session.create_loader = cache(botocore.session.create_loader)
    _keep_client_classes()
    responses: Any = moto.core.responses
    responses.method_names_from_class = cache(responses.method_names_from_class)
    open_clients(AwsSettings(region=REGION, endpoint_url="http://127.0.0.1:9"))
    app = warmed()
    gc.freeze()
    return app


def _keep_client_classes() -> None:
    creators: Any = botocore.client.ClientCreator
    made: dict[str, Any] = {}
    make = creators._create_client_class

    def kept(creator: Any, service_name: str, service_model: Any) -> Any:
        if service_name not in made:
            made[service_name] = make(creator, service_name, service_model)
        return made[service_name]

    creators._create_client_class = kept


def share(plans: Sequence[Plan], processes: int, app: App) -> list[Outcome]:
    """Play plans in several processes; each leaves in a file what came of its own ones."""
    with TemporaryDirectory(prefix="deaths-") as folder:
        files = [Path(folder, str(number)) for number in range(processes)]
        workers = [_worker(plans[number::processes], file, app) for number, file in enumerate(files)]
        for worker in workers:
            os.waitpid(worker, 0)
        return [outcome for file in files for outcome in pickle.loads(file.read_bytes())]  # noqa: S301 - our own


def _worker(plans: Sequence[Plan], file: Path, app: App) -> int:
    def work() -> None:
        file.write_bytes(pickle.dumps([play(plan, app) for plan in plans]))

    return spawn(work, file.with_suffix(".log"))


def summary(outcomes: Sequence[Outcome], boundaries: int) -> Iterator[str]:
    """Give what is wrong, then the table."""
    for outcome in outcomes:
        for wrong in outcome.wrong:
            yield f"LEAK {outcome.plan}\n     died at: {outcome.boundary}\n     {wrong}\n     {outcome.log}"
    dead = [outcome for outcome in outcomes if outcome.deaths]
    rows = {
        "deaths": sum(outcome.deaths for outcome in outcomes),
        "boundaries in a journal": boundaries,
        "of which died at": len({outcome.boundary for outcome in dead}),
        "resumed": sum(outcome.plan.sequel == "resume" for outcome in dead),
        "collected": sum(outcome.plan.sequel == "gc" for outcome in dead),
        "at a random time": sum(bool(outcome.plan.death.seconds) for outcome in dead),
        "with a lost answer": sum(bool(outcome.plan.faults) for outcome in dead),
        "of who came after": sum(max(0, outcome.deaths - 1) for outcome in outcomes),
        "ended before its death": len(outcomes) - len(dead),
        "leaks": sum(bool(outcome.wrong) for outcome in outcomes),
    }
    yield from (f"{name:<24} {count:>5}" for name, count in rows.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
