"""What an instance of a source image is, before there is one."""

from __future__ import annotations

from amiforge.ec2.source_image import SourceImage
from amiforge.systems import by_name
from amiforge.systems.system import Arch, System


def assumed(source: SourceImage) -> System:
    """Give the system that an instance of a source image will be, as far as its description tells.

    Raises:
        ConfigError: the source's operating system is none of ours.
    """
    arch: Arch = "aarch64" if source.architecture == "arm64" else "x86_64"
    return System(os=by_name(source.os), arch=arch, user=source.user)
