"""Installers of vendors: what version is there, and the program that puts another one there."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import InstanceOf
from pydantic.dataclasses import dataclass

from amiforge.engine.download import Download
from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.resources.directory import Directory, refuse_shared
from amiforge.resources.file_state import AbsolutePath
from amiforge.resources.observation import Observation, observe
from amiforge.resources.strict import STRICT
from amiforge.shell import Command
from amiforge.systems.system import System


@dataclass(frozen=True, config=STRICT)
class VendorInstall(Resource):
    r"""A product in exactly this version, installed by its vendor's own program.

    VendorInstall(
        "AWS CLI",
        "2.36.11",
        observe='link=$(readlink /usr/local/aws-cli/v2/current) && printf "%s\n" "${link##*/}"',
        sources=(Artifact(url, "/var/tmp/aws/cli.zip"), Archive("/var/tmp/aws/cli.zip", "/var/tmp/aws/tree")),
        install=argv("/var/tmp/aws/tree/aws/install", "--update"),
        workspace="/var/tmp/aws",
    )

    Attributes:
        product: what people call it.
        version: the version that `observe` has to print.
        observe: read-only command, or sh text without arguments, that prints the installed version; nothing, or a
            status other than 0, means that it is not installed. Only its first line counts.
        install: the installer, run as a job.
        sources: what the installer needs, such as an Artifact and an Archive. They are made only when it is to run, so
            an image need not keep them.
        workspace: folder that holds the sources; removed when the installer has done its work.
        fetches: what the installer itself downloads.
        locks: paths of lock files that must be free before the installer starts.
        timeout: seconds the installer may take.
    """

    product: str
    version: str
    observe: Command | str
    install: Command
    sources: tuple[InstanceOf[Resource], ...] = ()
    workspace: AbsolutePath | None = None
    fetches: tuple[Download, ...] = ()
    locks: tuple[str, ...] = ()
    timeout: float = 3600

    def __post_init__(self) -> None:
        if self.workspace:
            refuse_shared(self.workspace)

    @property
    def name(self) -> str:
        """`install AWS CLI`."""
        return f"install {self.product}"

    def queries(self, system: System) -> tuple[Query[Observation], ...]:
        """Ask for the installed version."""
        return (observe(self.observe),)

    def desired(self, system: System) -> State:
        """Want the version."""
        return {"version": self.version}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the installed version, None for none."""
        seen = replies[observe(self.observe)]
        lines = seen.text.strip().splitlines()
        return {"version": lines[0].strip() if lines and seen.status == 0 else None}

    def downloads(self, system: System) -> Iterator[Download]:
        """Give what it and its sources download."""
        yield from self.fetches
        for source in self.sources:
            yield from source.downloads(system)

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Make the sources, run the installer, and remove what only it needed."""
        for source in self.sources:
            yield from source.changes(frozenset(source.desired(system)), system)
        yield Change(f"install {self.product} {self.version}", self.install, True, self.locks, self.timeout)
        if self.workspace:
            yield from Directory(self.workspace, present=False).changes(frozenset({"type"}), system)
