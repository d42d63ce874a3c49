"""One run: its id, its folder, what it works with, and what its steps found out so far."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from amiforge.bake.inventory import Inventory
from amiforge.bake.journal import Journal
from amiforge.bake.readiness import Condition
from amiforge.ec2.image import Image
from amiforge.ec2.instances import Instance
from amiforge.ec2.key_pair import KeyPair
from amiforge.ec2.network import Subnet
from amiforge.ec2.resolve import ResolvedImage
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.engine.events import Event, Listener
from amiforge.engine.lockfile import Lockfile
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.supply import refuse_unproven
from amiforge.settings import BakeSettings, EngineSettings
from amiforge.shell import Secret, display, quote
from amiforge.systems.trust import Trust

if TYPE_CHECKING:
    from amiforge.engine.apply import Report

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Login:
    """How an instance is logged in to: the one host key it may show, and the key that it knows."""

    address: str
    user: str
    key: Secret
    host_key: str


def over_ssh(login: Login) -> Host:
    """Give the instance as a host, over SSH."""
    from amiforge.host.ssh import SshHost  # noqa: PLC0415 - slow to load

    return SshHost(login.address, login.user, key=login.key.reveal(), host_key=login.host_key)


def provision(host: Host, recipe: Recipe, settings: EngineSettings, listener: Listener) -> Report:
    """Apply the recipe's tasks; downloads and keys must be what amiforge.lock says, where new ones are recorded."""
    from amiforge.engine.apply import apply  # noqa: PLC0415 - not needed by whoever provisions in another way

    lock = Lockfile(Path(settings.lock_file))

    def recording(event: Event) -> None:
        lock.listen(event)
        listener(event)

    return apply(host, recipe.tasks, listener=recording, settings=settings, trust=lock.trust())


def verified(host: Host, recipe: Recipe, listener: Listener) -> None:
    """Put the recipe's checks to the host.

    Raises:
        CheckFailed: one of them found something wrong.
    """
    from amiforge.verify.runner import verify  # noqa: PLC0415 - brings pytest

    verify(host, recipe, listener=listener)


@dataclass(frozen=True)
class Means:
    """What a bake works with besides EC2; each part can be replaced, in tests and by users."""

    connect: Callable[[Login], Host] = over_ssh
    provision: Callable[[Host, Recipe, EngineSettings, Listener], Report] = provision
    verify: Callable[[Host, Recipe, Listener], None] = verified
    #: what `provision` trusts; None for what amiforge.lock says.
    trust: Trust | None = None

    def refuse_unproven(self, recipe: Recipe, settings: EngineSettings) -> None:
        """Refuse a recipe with downloads of which nothing is known, where the settings want that.

        Raises:
            RecipeError: there is such a download.
            ConfigError: amiforge.lock cannot be read.
        """
        if settings.require_digests:
            refuse_unproven(recipe, self.trust or Lockfile(Path(settings.lock_file)).trust())


@dataclass
class Run:
    """A run. The attributes without a value are filled by the steps, in their order."""

    id: str
    recipe: Recipe
    folder: Path
    clients: Clients
    journal: Journal
    listener: Listener
    tags: Tags
    image_name: str
    settings: BakeSettings
    engine: EngineSettings
    means: Means
    #: ssh command that reaches an instance of the run at this moment; empty when none can be logged in to.
    login: str = ""
    #: command that goes on with the recipe's tasks there.
    resume: str = ""
    #: the finished image is good: it stays, whatever happens from here on.
    keep_image: bool = False
    verification: str = "skipped"

    source: ResolvedImage = field(init=False)
    subnets: tuple[Subnet, ...] = field(init=False)
    key: KeyPair = field(init=False)
    host_key: KeyPair = field(init=False)
    key_name: str = field(init=False)
    group: str = field(init=False)
    builder: Instance = field(init=False)
    host: Host = field(init=False)
    condition: Condition = field(init=False)
    report: Report = field(init=False)
    inventory: Inventory = field(init=False)
    image: Image = field(init=False)

    def log_in(self, instance: Instance, key: KeyPair, host_key: KeyPair, role: str) -> Login:
        """Give the way into an instance, and note it where people may need it."""
        address = instance.address(self.recipe.builder.address)
        known = (self.folder / f"{role}.known_hosts").absolute()
        known.write_text(f"{address} {host_key.public}\n")
        private = write_private(self.folder / f"{role}.key", key.private)
        user = self.recipe.source.user
        at = f"{user}@{address}"
        self.login = display(["ssh", "-i", str(private), "-o", f"UserKnownHostsFile={known}", at])
        apply = display(["amiforge", "apply", self.recipe.name, "--host", at, "--key", str(private)])
        self.resume = f"AMIFORGE_SSH_KNOWN_HOSTS={quote(str(known))} {apply}"
        return Login(address, user, key.private, host_key.public)


def new_id() -> str:
    """Give a new run's id: short, sorted by time, good in names and tags, as `20261123-114854-k3x9`."""
    when = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{when}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"


def expiry(seconds: float) -> str:
    """Give the time that lies so many seconds ahead, as ISO in UTC."""
    return datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_private(path: Path, secret: Secret) -> Path:
    """Write a private key to a file that only its owner can read."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(secret.reveal())
    return path.absolute()
