"""The one folder below which everything the sandbox makes lies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folder:
    """Names of everything in the sandbox. Creates nothing: whoever writes a path makes its parents."""

    path: Path

    @classmethod
    def default(cls) -> Folder:
        """Give the folder named by `AMIFORGE_SANDBOX`, else `/var/lib/amiforge/sandbox`."""
        return cls(Path(os.environ.get("AMIFORGE_SANDBOX") or "/var/lib/amiforge/sandbox").absolute())

    @property
    def roots(self) -> Path:
        """Base roots, one directory each; their names carry a digest of what they were made from."""
        return self.path / "roots"

    @property
    def images(self) -> Path:
        """Images, one directory each."""
        return self.path / "images"

    @property
    def parameters(self) -> Path:
        """The account's own SSM parameters."""
        return self.path / "parameters.json"

    @property
    def machines(self) -> Path:
        """Machines, one directory each, running or stopped."""
        return self.path / "machines"

    @property
    def mirror(self) -> Path:
        """The artifact mirror's documents."""
        return self.path / "mirror"

    @property
    def packages(self) -> Path:
        """Built stand-in packages, see `amiforge.sandbox.pool`."""
        return self.path / "packages"

    @property
    def run(self) -> Path:
        """Pid files, see `amiforge.sandbox.process`."""
        return self.path / "run"

    @property
    def server_json(self) -> Path:
        """What a client needs to reach the running API server."""
        return self.path / "server.json"

    def image(self, image_id: str) -> Path:
        """Directory of one image."""
        return self.images / image_id

    def layer(self, image_id: str) -> Path:
        """Frozen file system of one image: what it adds to the layers below it."""
        return self.images / image_id / "layer"

    def machine(self, instance_id: str) -> Path:
        """Directory of one machine."""
        return self.machines / instance_id

    def pid_file(self, name: str) -> Path:
        """Pid file of one long-running process: an instance id, or `server`."""
        return self.run / f"{name}.pid"
