"""Amazon Linux 2023."""

from __future__ import annotations

from datetime import date

from amiforge.systems.dnf import Dnf
from amiforge.systems.kernel import DRACUT, AmazonKernel
from amiforge.systems.os import Os

# A missing plugin ends with the same status as a needed reboot, so the words count.
_REBOOT_REQUIRED = r"""
case $(dnf -q --disablerepo='*' needs-restarting -r 2>/dev/null) in
*'Reboot is required'*) echo 'core libraries or services were updated' ;;
esac
"""

#: End of maintenance: Amazon Linux 2023 user guide, release cadence.
AL2023 = Os(
    name="al2023",
    title="Amazon Linux 2023",
    release_id="amzn",
    release_version="2023",
    default_user="ec2-user",
    root_device="/dev/xvda",
    end_of_life=date(2029, 6, 30),
    packages=Dnf(),
    kernel=AmazonKernel(first_line="6.1", modules_extra=True),
    initramfs=DRACUT,
    reboot_required=_REBOOT_REQUIRED,
    releases=True,
)
