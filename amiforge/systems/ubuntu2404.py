"""Ubuntu 24.04, and what it shares with 22.04."""

from __future__ import annotations

from datetime import date

from amiforge.systems.apt import Apt
from amiforge.systems.kernel import INITRAMFS_TOOLS, UbuntuKernel
from amiforge.systems.os import Os

_REBOOT_REQUIRED = r"""
[ ! -e /run/reboot-required ] || cat /run/reboot-required.pkgs 2>/dev/null || echo 'updates ask for it'
"""

#: End of standard support: Ubuntu release cycle.
UBUNTU2404 = Os(
    name="ubuntu2404",
    title="Ubuntu 24.04",
    release_id="ubuntu",
    release_version="24.04",
    codename="noble",
    default_user="ubuntu",
    root_device="/dev/sda1",
    end_of_life=date(2029, 4, 30),
    packages=Apt(),
    kernel=UbuntuKernel(),
    initramfs=INITRAMFS_TOOLS,
    reboot_required=_REBOOT_REQUIRED,
)
