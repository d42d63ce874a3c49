"""What is on a host, as values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class _Brief(BaseModel):
    """A value of which there are many: what is empty is not written down."""

    model_config = ConfigDict(frozen=True)

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in written(self).items() if value not in ("", (), [])}


class Package(_Brief):
    """One installed package.

    Attributes:
        kind: `pip` only for those that no package manager of the system brought.
        version: as the package manager compares it: of rpm `epoch:version-release`, without an epoch of 0.
        arch: of a deb `all`, of an rpm `noarch` for none.
        vendor: who built an rpm.
        source: the source package, where it is known.
        licence: as the package itself says it; of a deb every one that its machine-readable copyright file names.
        place: the folder of a Python package.
    """

    kind: Literal["rpm", "deb", "pip"]
    name: str
    version: str
    arch: str = ""
    vendor: str = ""
    source: str = ""
    licence: str = ""
    place: str = ""


class Module(_Brief):
    """A kernel module that did not come with its kernel; or a tree of DKMS, which may build several.

    Attributes:
        kernel: the release that it is built for.
        vermagic: what the module says of that itself.
        dkms: what becomes of a tree: `added`, `built`, `installed`; empty for a module.
    """

    name: str
    version: str = ""
    kernel: str = ""
    vermagic: str = ""
    dkms: str = ""


class Repository(_Brief):
    """A source of packages that the package manager knows. `keys` are fingerprints of those that may sign for it."""

    name: str
    url: str
    enabled: bool = True
    keys: tuple[str, ...] = ()


class File(_Brief):
    """A file that decides how instances behave. `text` only of a small one that everybody may read."""

    path: str
    sha256: str
    text: str = ""


class Inventory(BaseModel):
    """What is on a host.

    Attributes:
        os: what the system calls itself; `os_id` and `os_version` are for programs.
        kernel: release of the running kernel; `default_kernel` is what the next boot takes, empty where that is none;
            `kernel_sha256` is of that one's file in /boot.
        modules: those that did not come with the kernel.
        units: systemd's units that are enabled, disabled or masked, with that state.
        release: what /etc/amiforge-release said; empty where the source image is not of amiforge's making.
    """

    model_config = ConfigDict(frozen=True)

    os: str = ""
    os_id: str = ""
    os_version: str = ""
    kernel: str = ""
    default_kernel: str = ""
    kernel_sha256: str = ""
    packages: tuple[Package, ...] = ()
    modules: tuple[Module, ...] = ()
    repositories: tuple[Repository, ...] = ()
    files: tuple[File, ...] = ()
    units: dict[str, str] = {}
    release: dict[str, str] = {}
