"""Which EC2 a command talks to, AWS or the one on this machine, and which downloads it trusts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from amiforge.cli.config import Config
from amiforge.engine.events import Event, Listener, StepFinished, StepStarted
from amiforge.engine.lockfile import Lockfile
from amiforge.host.ssh_settings import Ssh
from amiforge.settings import AwsSettings, EngineSettings
from amiforge.systems.trust import Trust

if TYPE_CHECKING:
    from amiforge.bake.run import Means
    from amiforge.engine.apply import Report
    from amiforge.host.base import Host
    from amiforge.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Where:
    """Where EC2 is, how hosts there are worked on, and what downloads and signing keys must be."""

    aws: AwsSettings
    engine: EngineSettings
    ssh: Ssh
    trust: Trust
    listener: Listener
    sandbox: bool = False

    def means(self) -> Means:
        """Give what a bake there works with."""
        from amiforge.bake.login import check_jumps, over_ssh
        from amiforge.bake.run import Means
        from amiforge.engine.apply import apply

        def provision(host: Host, recipe: Recipe, engine: EngineSettings, listener: Listener, run: str) -> Report:
            return apply(host, recipe.tasks, listener=listener, settings=engine, trust=self.trust, run=run)

        return Means(
            connect=partial(over_ssh, settings=self.ssh),
            check_jumps=partial(check_jumps, settings=self.ssh),
            provision=provision,
            # What a bake records in amiforge.lock counts as soon as it is there; the sandbox's mirror records nothing.
            trust=self.trust if self.sandbox else None,
        )


@contextmanager
def ec2(config: Config, listener: Listener, *, sandbox: bool, system: str = "") -> Iterator[Where]:
    """Give what leads to AWS, or to the sandbox, which is up for as long as this context lasts.

    A sandbox is quicker there when it knows which operating system will be launched.

    Raises:
        SandboxUnavailable: this machine lacks what the sandbox needs.
        ConfigError: amiforge.lock cannot be read.
    """
    if not sandbox:
        yield Where(config.aws, config.engine, config.ssh, *trusted(config, listener))
        return

    from amiforge.sandbox.folder import Folder
    from amiforge.sandbox.lifecycle import session
    from amiforge.sandbox.mirror import digests, fingerprints
    from amiforge.sandbox.standins import NOTICE

    started = time.monotonic()
    listener(StepStarted(step="use sandbox", detail=NOTICE))
    with session(system=system, listener=listener) as endpoint:
        listener(StepFinished(step="use sandbox", seconds=time.monotonic() - started, detail=endpoint.url))
        aws = config.aws.model_copy(update={"endpoint_url": endpoint.url, "region": endpoint.region, "profile": ""})
        engine = config.engine.model_copy(update={"mirror": endpoint.mirror_url})
        folder = Folder.default()
        yield Where(aws, engine, config.ssh, Trust(digests(folder), fingerprints(folder)), listener, sandbox=True)


def trusted(config: Config, listener: Listener) -> tuple[Trust, Listener]:
    """Give what amiforge.lock knows of downloads and keys, and a listener that records there what is new.

    Raises:
        ConfigError: the file cannot be read.
    """
    lockfile = Lockfile(Path(config.engine.lock_file))

    def recording(event: Event) -> None:
        lockfile.listen(event)
        listener(event)

    return lockfile.trust(), recording
