"""Source images of the sandbox: what a bake starts from, made by real dnf or apt out of the mirror, one layer each.

All are known at once; each is made when it is first launched.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from amiforge import systems
from amiforge.errors import CommandFailed
from amiforge.sandbox import layers
from amiforge.sandbox.catalog import Image, read_catalog
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import build_mirror, key_file, mirror_address
from amiforge.sandbox.pool import digest
from amiforge.sandbox.process import locked
from amiforge.sandbox.root import build_root, root_path
from amiforge.sandbox.standins import STANDINS, Origin
from amiforge.shell import quote

_LOG = logging.getLogger(__name__)

#: The base root that images of each operating system stand on.
ROOTS = MappingProxyType(
    {"al2023": "debian-rpm", "amzn2": "debian-rpm", "ubuntu2204": "debian-apt", "ubuntu2404": "debian-apt"}
)
_SCRIPTS = {"debian-rpm": "rpm_image.sh", "debian-apt": "deb_image.sh"}


@dataclass(frozen=True)
class SourceImage:
    """A source image. `layers` are the file systems an instance of it stacks, top first, root last."""

    ami_id: str
    data: Image
    layers: tuple[Path, ...]

    @property
    def root(self) -> str:
        """Name of the base root it stands on."""
        return ROOTS[self.data.system]

    @property
    def root_device(self) -> str:
        """Name of its root volume."""
        return self.data.root_device or systems.by_name(self.data.system).root_device


class Sources:
    """The source images of a sandbox folder, by the stand-in data of now. Makes none until asked to.

    Raises:
        SandboxUnavailable: this machine lacks a program that makes the mirror.
        CommandFailed: a package could not be built.
        ConfigError: the stand-in data is wrong.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._mirror = build_mirror(folder)
        self._catalog = read_catalog()
        self._digests = self._repository_digests()
        self._images: dict[str, SourceImage] = {}
        for data in self._catalog.images:
            self._image(data)

    @property
    def images(self) -> tuple[SourceImage, ...]:
        """All source images, each behind the one it is made over."""
        return tuple(self._images.values())

    def make(self, wanted: Sequence[Path]) -> None:
        """Make those of some layers that belong to source images and are not there yet: a minute or two at most.

        Two who want the same at once make it once.

        Raises:
            SandboxUnavailable: this machine lacks a program that makes them.
            CommandFailed: a package could not be built or installed.
        """
        missing = [image for image in self.images if image.layers[0] in wanted and not image.layers[0].exists()]
        roots = {image.root for image in self.images if image.layers[-1] in wanted}
        for root in roots:
            build_root(self.folder, root)
        for image in missing:
            with locked(self.folder.images / f".{image.ami_id}.lock"):
                if not image.layers[0].exists():
                    _LOG.info("making %s, %s", image.ami_id, image.data.name)
                    self._make_layer(image)

    def _image(self, data: Image) -> SourceImage:
        if data.name in self._images:
            return self._images[data.name]
        below: tuple[Path, ...] = (root_path(self.folder, ROOTS[data.system]),)
        if data.base:
            below = self._image(self._catalog.image(data.base)).layers
        ami_id = self._id(data, below[0])
        image = self._images[data.name] = SourceImage(ami_id, data, (self.folder.layer(ami_id), *below))
        return image

    def _id(self, data: Image, below: Path) -> str:
        """Give the id of a source image: the same one as long as it would be made in the same way."""
        script = self._script(ROOTS[data.system])
        packages = [self._digests[name] for name in data.repositories]
        recipe = json.dumps([data.model_dump(), script, packages, below.parent.name, below.name])
        return f"ami-{hashlib.sha256(recipe.encode()).hexdigest()[:17]}"

    def _script(self, root: str) -> str:
        return (STANDINS / _SCRIPTS[root]).read_text()

    def _place(self, name: str) -> str:
        repository = self._catalog.repository(name)
        if repository.kind == "rpm":
            return repository.folder
        return f"{repository.folder} {repository.suite} {'' if repository.flat else repository.component}".strip()

    def _repository_digests(self) -> dict[str, str]:
        states = {repository.name: hashlib.sha256() for repository in self._catalog.repositories}
        for build in self._catalog.builds(Origin(mirror_address(self.folder))):
            state = digest(build, "").encode()
            for name in build.package.repository:
                states[name].update(state)
        return {name: state.hexdigest() for name, state in states.items()}

    def _make_layer(self, image: SourceImage) -> None:
        folder, mirror = self.folder, self._mirror
        new = folder.images / f".{image.ami_id}.new"
        shutil.rmtree(new, ignore_errors=True)
        upper = new / image.layers[0].name
        upper.mkdir(parents=True)
        # the layer's own mode is that of `/` on the machine
        upper.chmod(0o755)
        data = image.data
        words = [str(key_file(mirror).relative_to(mirror)), *map(self._place, data.repositories)]
        words += ["--", *data.remove, "--", *data.install]
        arguments = " ".join(map(quote, words))
        script = f"set -- {arguments}\n{self._script(image.root)}\n{_login(data)}{data.script}"
        try:
            layers.run_in(image.layers[1:], upper, script, binds={mirror: "/mnt"})
        except CommandFailed as error:
            said = error.lines.get("stderr", "")
            last = said.strip().rpartition("\n")[2]
            raise CommandFailed(f"cannot make the source image {data.name}: {last}", stderr=said) from None
        new.rename(folder.image(image.ami_id))


def _login(data: Image) -> str:
    """Give sh text that lets in another user than the system's own; a layer's later file overrides the root's."""
    if not data.user:
        return ""
    text = f"system_info: {{default_user: {{name: {data.user}}}}}"
    return f"printf '%s\\n' {quote(text)} >/etc/cloud/cloud.cfg.d/20-user.cfg\n"
