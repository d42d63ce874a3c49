"""Kernel modules: loaded at boot, kept from loading, with options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State, Value
from amiforge.errors import RecipeError
from amiforge.resources.file import File
from amiforge.resources.module_state import ModuleName, images_with, look_at_module
from amiforge.resources.strict import STRICT
from amiforge.shell import argv, script
from amiforge.systems.system import System

# dracut takes over blacklists only into an initramfs made for one host, so there the module is left out altogether.
_REBUILD = r"""
if command -v dracut >/dev/null 2>&1; then
  mkdir -p /etc/dracut.conf.d || exit
  printf 'omit_drivers+=" %s "\n' "$1" >"/etc/dracut.conf.d/amiforge-$1.conf" || exit
  for image in /boot/initramfs-*.img; do
    kernel=${image#/boot/initramfs-}
    kernel=${kernel%.img}
    [ ! -d "/lib/modules/$kernel" ] || dracut --force "$image" "$kernel" || exit
  done
else
  update-initramfs -u -k all
fi
"""

_FILES = {"load_at_boot": "/etc/modules-load.d", "modprobe": "/etc/modprobe.d"}

ModuleOptions = Mapping[str, str] | tuple[tuple[str, str], ...]


def _options(options: ModuleOptions) -> tuple[tuple[str, str], ...]:
    pairs = tuple(sorted(dict(options).items()))
    for pair in pairs:
        if not all(re.fullmatch(r"[\x21-\x7e]+", word) for word in pair):
            raise RecipeError(f"{'='.join(pair)!r} is no option of a kernel module", fix="write it without spaces")
    return pairs


@dataclass(frozen=True, config=STRICT)
class KernelModule(Resource):
    """What the host does with a kernel module, in files of our own below /etc/modules-load.d and /etc/modprobe.d.

    KernelModule("efa", load_at_boot=True)
    KernelModule("tcp_bbr", load_at_boot=True, loaded=True)             also now; not in a container
    KernelModule("nouveau", blacklist=True, options={"modeset": "0"})   also in the initramfs, where that holds it

    A module that is blacklisted while loaded goes with the next boot: see RebootIfNeeded.

    Attributes:
        module: its name, as lsmod writes it.
        load_at_boot: loaded by systemd-modules-load.
        loaded: loaded now, too, which takes the device of a driver.
        blacklist: loaded for no device on its own account.
        options: its parameters.
    """

    module: ModuleName
    load_at_boot: bool = False
    loaded: bool = False
    blacklist: bool = False
    options: Annotated[ModuleOptions, AfterValidator(_options)] = ()

    def __post_init__(self) -> None:
        if self.blacklist and (self.load_at_boot or self.loaded):
            raise RecipeError(f"{self.name} is to be loaded and blacklisted", fix="choose one")

    @property
    def name(self) -> str:
        """`kernel module nouveau`."""
        return f"kernel module {self.module}"

    def queries(self, system: System) -> Iterator[Query[Any]]:
        """Ask for both files, and as far as wanted for the running kernel and the initramfs."""
        for file in self._files().values():
            yield from file.queries(system)
        if self._live(system):
            yield look_at_module(self.module)
        if self.blacklist:
            yield images_with(self.module)

    def desired(self, system: System) -> State:
        """Give the digests of both files (None for no file), and what is wanted of kernel and initramfs."""
        wanted: dict[str, Value] = {key: file.desired(system).get("content") for key, file in self._files().items()}
        if self._live(system):
            wanted["loaded"] = True
        if self.blacklist:
            wanted["initramfs_with_it"] = ()
        return wanted

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of the host."""
        found: dict[str, Value] = {
            key: file.actual(replies, system).get("content") for key, file in self._files().items()
        }
        if self._live(system):
            found["loaded"] = replies[look_at_module(self.module)].loaded
        if self.blacklist:
            found["initramfs_with_it"] = replies[images_with(self.module)]
        return found

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Write the files, load the module, rebuild the initramfs: whatever of these differs."""
        for key, file in self._files().items():
            if key in differing:
                yield from file.changes(frozenset({"type"}), system)
        if "loaded" in differing:
            yield Change(f"load {self.module}", argv("modprobe", "--", self.module))
        if "initramfs_with_it" in differing:
            summary = f"rebuild the initramfs without {self.module}"
            yield Change(summary, script(_REBUILD, self.module, summary=summary), job=True)

    def _live(self, system: System) -> bool:
        return self.loaded and not system.container

    def _files(self) -> dict[str, File]:
        blacklist = f"blacklist {self.module}\n" if self.blacklist else ""
        words = "".join(f" {key}={value}" for key, value in dict(self.options).items())
        options = f"options {self.module}{words}\n" if words else ""
        texts = {"load_at_boot": f"{self.module}\n" if self.load_at_boot else "", "modprobe": blacklist + options}
        paths = {key: f"{directory}/amiforge-{self.module}.conf" for key, directory in _FILES.items()}
        return {key: File(paths[key], text) if text else File(paths[key], present=False) for key, text in texts.items()}
