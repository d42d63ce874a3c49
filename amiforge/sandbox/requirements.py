"""What this machine must have before anything can boot on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from amiforge.errors import SandboxUnavailable
from amiforge.sandbox import cgroups
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.layers import PRIVATE, overlay_options

#: Programs the sandbox runs on this machine, and the Debian package each comes from.
PACKAGES = MappingProxyType(
    {
        "systemd-nspawn": "systemd-container",
        "mmdebstrap": "mmdebstrap",
        "apt-get": "apt",
        "unshare": "util-linux",
        "nsenter": "util-linux",
        "mount": "mount",
        "rpmbuild": "rpm",
        "createrepo_c": "createrepo-c",
        "gpg": "gpg",
        "ssh": "openssh-client",
    }
)

#: What mmdebstrap trusts; a Debian has it, other systems may not.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def missing_packages() -> dict[str, str]:
    """Name what comes in a Debian package and is not here, and that package."""
    missing = {f"the program {name}": package for name, package in PACKAGES.items() if shutil.which(name) is None}
    if not KEYRING.exists():
        missing["the keys of Debian's archive"] = "debian-archive-keyring"
    return missing


def missing_requirements(folder: Folder) -> list[str]:
    """Say what is missing for a sandbox in `folder`, one phrase each; empty when all is there.

    Makes the folder, and tries out what can only be known by trying.
    """
    missing = list(missing_packages())
    if find_spec("moto") is None:
        missing.append("the Python package moto")
    if os.geteuid() != 0:
        missing.append("root: machines need namespaces and mounts")
    elif not missing:
        missing += _missing_kernel_features(folder)
    return missing


def require(folder: Folder) -> None:
    """Do nothing when a sandbox can run in `folder`.

    Raises:
        SandboxUnavailable: names everything missing and the command that installs what can be installed.
    """
    missing = missing_requirements(folder)
    if missing:
        raise SandboxUnavailable(
            "the sandbox cannot run on this machine",
            missing="\n".join(missing),
            fix="\n".join(_fixes()),
            without="`amiforge plan RECIPE` needs no sandbox, no root and no network",
        )


def _fixes() -> list[str]:
    fixes = []
    packages = sorted(set(missing_packages().values()))
    if packages:
        fixes.append("sudo apt-get update && sudo apt-get install -y " + " ".join(packages))
    if find_spec("moto") is None:
        fixes.append("pip install 'amiforge[sandbox]'")
    if os.geteuid() != 0:
        fixes.append("run the same command as root, with `sudo -E`")
    return fixes


def _missing_kernel_features(folder: Folder) -> list[str]:
    missing = []
    if not cgroups.hierarchies():
        missing.append(f"a cgroup file system below {cgroups.MOUNT}")
    if folder.path.resolve().is_relative_to("/run"):
        missing.append(f"a folder outside /run, of which each machine has its own: not {folder.path}")
        return missing
    folder.path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.path, prefix=".try-") as name:
        lower, upper, work, root = (Path(name) / part for part in ("lower", "upper", "work", "root"))
        for path in (lower, upper, work, root):
            path.mkdir()
        options = overlay_options([lower], upper, work, Path(name))
        mount = [*PRIVATE, "mount", "-t", "overlay", "overlay", "-o", options, "root"]
        tried = subprocess.run(mount, cwd=name, capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        missing.append(
            f"a file system that overlayfs can write to, at {folder.path}; AMIFORGE_SANDBOX=/another/folder"
            f" may have one ({tried.stderr.strip()})"
        )
    return missing
