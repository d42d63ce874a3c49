"""Kernel modules: loaded at boot, kept from loading, with options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State, Value
from amiforge.errors import RecipeError
from amiforge.resources.file import File
from amiforge.resources.module_state import ModuleName, in_initramfs, look_at_module
from amiforge.resources.strict import STRICT
from amiforge.shell import argv
from amiforge.systems.kernel import DRACUT
from amiforge.systems.system import System

ModuleOptions = Mapping[str, str] | tuple[tuple[str, str], ...]


def _options(options: ModuleOptions) -> tuple[tuple[str, str], ...]:
    pairs = tuple(sorted(dict(options).items()))
    for pair in pairs:
        if not all(re.fullmatch(r"[\x21-\x7e]+", word) for word in pair):
            raise RecipeError(f"{'='.join(pair)!r} is no option of a kernel module", fix="write it without spaces")
    return pairs


@dataclass(frozen=True, config=STRICT)
class KernelModule(Resource):
    """What the host does with a kernel module, in files of our own: modules-load.d, modprobe.d, dracut.conf.d.

    KernelModule("efa", load_at_boot=True)
    KernelModule("tcp_bbr", load_at_boot=True, loaded=True)             also now; not in a container
    KernelModule("nouveau", blacklist=True, options={"modeset": "0"})   also in the initramfs, where that holds it

    The initramfs is that of the kernels known since the last boot: reboot into a new one first. A module that is
    blacklisted while loaded goes with the next boot: see RebootIfNeeded.

    Attributes:
        module: its name, as lsmod writes it.
        load_at_boot: loaded by systemd-modules-load.
        loaded: loaded now, too, which takes the device of a driver.
        blacklist: loaded for no device on its own account.
        options: its parameters.
    """

    exclusive: ClassVar[bool] = True

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
        """Ask for its files, and as far as wanted for the running kernel and the initramfs."""
        for file in self._files(system).values():
            yield from file.queries(system)
        if self._live(system):
            yield look_at_module(self.module)
        for kernel in self._kernels(system):
            yield in_initramfs(self.module, kernel, system.os.initramfs)

    def desired(self, system: System) -> State:
        """Give the digests of its files (None for no file), and what is wanted of kernel and initramfs."""
        files = self._files(system)
        wanted: dict[str, Value] = {key: file.desired(system).get("content") for key, file in files.items()}
        if self._live(system):
            wanted["loaded"] = True
        if self.blacklist:
            wanted["initramfs_with_it"] = ()
        return wanted

    def actual(self, replies: Replies, system: System) -> State:
        """Give the same of the host."""
        files = self._files(system)
        found: dict[str, Value] = {key: file.actual(replies, system).get("content") for key, file in files.items()}
        if self._live(system):
            found["loaded"] = replies[look_at_module(self.module)].loaded
        if self.blacklist:
            kernels = self._kernels(system)
            held = (name for name in kernels if replies[in_initramfs(self.module, name, system.os.initramfs)])
            found["initramfs_with_it"] = tuple(held)
        return found

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Write the files, load the module, rebuild the initramfs: whatever of these differs."""
        for key, file in self._files(system).items():
            if key in differing:
                yield from file.changes(frozenset({"type"}), system)
        if "loaded" in differing:
            yield Change(f"load {self.module}", argv("modprobe", "--", self.module))
        if "initramfs_with_it" in differing:
            for kernel in self._kernels(system):
                summary = f"rebuild the initramfs of {kernel} without {self.module}"
                yield Change(summary, system.os.initramfs.rebuild(kernel), job=True)

    def _live(self, system: System) -> bool:
        return self.loaded and not system.container

    def _kernels(self, system: System) -> tuple[str, ...]:
        """Give the kernels whose initramfs is looked at: the one that runs and the one that boots next."""
        releases = {system.kernel, system.default_kernel} - {""}
        return tuple(sorted(releases)) if self.blacklist else ()

    def _files(self, system: System) -> dict[str, File]:
        blacklist = f"blacklist {self.module}\n" if self.blacklist else ""
        words = "".join(f" {key}={value}" for key, value in dict(self.options).items())
        options = f"options {self.module}{words}\n" if words else ""
        files = {
            "load_at_boot": self._file("/etc/modules-load.d", f"{self.module}\n" if self.load_at_boot else ""),
            "modprobe": self._file("/etc/modprobe.d", blacklist + options),
        }
        if system.os.initramfs == DRACUT:
            # It takes over blacklists only when it works for one host, so the module is left out altogether.
            omitted = f'omit_drivers+=" {self.module} "\n' if self.blacklist else ""
            files["dracut"] = self._file("/etc/dracut.conf.d", omitted)
        return files

    def _file(self, directory: str, text: str) -> File:
        path = f"{directory}/amiforge-{self.module}.conf"
        return File(path, text) if text else File(path, present=False)
