"""Amazon Linux 2: past its end of support, kept for images that cannot move yet."""

from __future__ import annotations

from datetime import date

from amiforge.systems.kernel import DRACUT, AmazonKernel
from amiforge.systems.os import Os
from amiforge.systems.yum import Yum

_REBOOT_REQUIRED = r"""
case $(needs-restarting -r 2>/dev/null) in
*'Reboot is required'*) echo 'core libraries or services were updated' ;;
esac
"""

#: End of support: Amazon Linux 2 FAQ.
AMZN2 = Os(
    name="amzn2",
    title="Amazon Linux 2",
    release_id="amzn",
    release_version="2",
    default_user="ec2-user",
    root_device="/dev/xvda",
    end_of_life=date(2026, 6, 30),
    packages=Yum(),
    kernel=AmazonKernel(),
    initramfs=DRACUT,
    reboot_required=_REBOOT_REQUIRED,
)
