"""One run: its id, its folder, what it works with, and what its steps found out so far."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from amiforge.bake.journal import Journal
from amiforge.bake.login import Login, check_jumps, over_ssh
from amiforge.bake.readiness import Condition
from amiforge.bake.state import State
from amiforge.ec2.access import Way, way_in
from amiforge.ec2.image import Image
from amiforge.ec2.instances import Instance
from amiforge.ec2.key_pair import KeyPair
from amiforge.ec2.resolve import ResolvedImage
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import ARCH, COMMIT, FINGERPRINT, OS, RECIPE, SOURCE, Tags
from amiforge.engine.events import Event, Listener
from amiforge.engine.lockfile import Lockfile
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.supply import refuse_unproven
from amiforge.redaction import Redaction
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings, PublishSettings
from amiforge.shell import Secret
from amiforge.systems.trust import Trust

if TYPE_CHECKING:
    from amiforge.engine.apply import Report

T = TypeVar("T")

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


def provision(host: Host, recipe: Recipe, settings: EngineSettings, listener: Listener, run: str) -> Report:
    """Apply the recipe's tasks; downloads and keys must be what amiforge.lock says, where new ones are recorded.

    What still runs on the host for the same run, begun by a process that died, is waited for rather than begun again.
    """
    from amiforge.engine.apply import apply  # noqa: PLC0415 - not needed by whoever provisions in another way

    lock = Lockfile(Path(settings.lock_file))

    def recording(event: Event) -> None:
        lock.listen(event)
        listener(event)

    return apply(host, recipe.tasks, listener=recording, settings=settings, trust=lock.trust(), run=run)


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
    check_jumps: Callable[[Way], None] = check_jumps
    provision: Callable[[Host, Recipe, EngineSettings, Listener, str], Report] = provision
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
            refuse_unproven(recipe, self.trusted(settings))

    def trusted(self, settings: EngineSettings) -> Trust:
        """Give what downloads and keys have to be, as far as that is known.

        Raises:
            ConfigError: amiforge.lock cannot be read.
        """
        return self.trust or Lockfile(Path(settings.lock_file)).trust()


@dataclass
class Run:
    """A run: what it works with, and what is known so far. `started` is in seconds since the epoch."""

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
    state: State
    started: float
    redaction: Redaction
    #: profile, endpoint and patience that its clients were opened with.
    aws: AwsSettings
    #: opens the clients of another region, whose calls are recorded like all others.
    open_in: Callable[[str], Clients]
    publish: PublishSettings = field(default_factory=PublishSettings)
    #: how the recipe was asked for, as JSON.
    asked: Mapping[str, Any] = field(default_factory=dict)
    #: ssh command that reaches an instance of the run at this moment; empty when none can be logged in to.
    login: str = ""
    #: command that goes on with the recipe's tasks there.
    go_on: str = ""
    #: what is done beside the steps while the builder works.
    watch: ExitStack = field(default_factory=ExitStack)
    #: the connection to the builder, once there is one.
    host: Host = field(init=False)

    def note(self, **found: Any) -> None:
        """Remember what was found out, here and in the journal."""
        self.journal.write("known", step=self.journal.step, about=self.state.learn(**found))

    @property
    def source(self) -> ResolvedImage:
        """The source image, once it is resolved."""
        return _known(self.state.source)

    @property
    def builder(self) -> Instance:
        """The builder, once it is launched."""
        return _known(self.state.builder)

    @property
    def condition(self) -> Condition:
        """How the builder was when it was first logged in to."""
        return _known(self.state.condition)

    @property
    def image(self) -> Image:
        """The image, once it is asked for."""
        return _known(self.state.image)

    @property
    def provenance(self) -> Mapping[str, str]:
        """What the image is made of, as the tags that it and its copies bear."""
        source = self.recipe.source
        known = {
            RECIPE: self.recipe.name,
            OS: source.os,
            ARCH: source.architecture,
            SOURCE: self.source.ami,
            COMMIT: self.state.commit,
            FINGERPRINT: self.state.fingerprint,
        }
        return {key: value for key, value in known.items() if value}

    def keys(self, role: str) -> tuple[KeyPair, KeyPair]:
        """Give the key that opens an instance, and the one that it shows as its host key; made when first asked for.

        They lie in the run's folder from then on: whoever goes on with the run needs the same.
        """
        return self._key(role), self._key(f"{role}-host")

    def _key(self, name: str) -> KeyPair:
        path, comment = self.folder / f"{name}.key", f"amiforge-{self.id}-{name}"
        found = path.exists()
        key = KeyPair.of(Secret(path.read_text()), comment) if found else KeyPair.new(comment)
        self.redaction.learn(key.private)
        if not found:
            write_private(path, key.private)
        return key

    def log_in(self, instance: Instance, key: KeyPair, host_key: KeyPair, role: str) -> Login:
        """Give the way into an instance, and note it where people may need it."""
        way = way_in(self.clients, self.recipe.builder, instance)
        login = Login(way, self.recipe.source.user, key.private, host_key.public)
        known = (self.folder / f"{role}.known_hosts").absolute()
        known.write_text(login.known_hosts())
        private = (self.folder / f"{role}.key").absolute()
        self.login = login.ssh_command(private, known)
        self.go_on = login.apply_command(self.recipe.name, private, known)
        return login


def new_id() -> str:
    """Give a new run's id: short, sorted by time, good in names and tags, as `20261123-114854-k3x9`."""
    when = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{when}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"


def expiry(seconds: float) -> str:
    """Give the time that lies so many seconds ahead, as ISO in UTC."""
    return datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_private(path: Path, secret: Secret) -> None:
    """Write a private key to a file that only its owner can read, whole or not at all."""
    draft = path.with_suffix(".draft")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(secret.reveal())
    draft.replace(path)


def _known(value: T | None) -> T:
    if value is None:
        raise AssertionError("a step looked for what an earlier one finds out")
    return value
