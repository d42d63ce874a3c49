"""What an image says of itself: lines for people and shells, and its manifest for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from amiforge.bake.inventory.questions import RELEASE
from amiforge.bake.manifest import Manifest
from amiforge.shell import Command, script

#: Where an image has its manifest.
MANIFEST = "/usr/share/amiforge/manifest.json"

# Each file is there whole or as it was.
_WRITE = r"""
put() {
  mkdir -p -- "${1%/*}" && new=$(mktemp -- "$1.XXXXXXXX") || return
  printf '%s\n' "$2" >"$new" && chmod 0644 -- "$new" && mv -fT -- "$new" "$1" || { rm -f -- "$new"; return 1; }
}
put "$1" "$2" && put "$3" "$4"
"""


def write_release(made: Manifest) -> Command:
    """Give the command that writes both files; everybody may read them."""
    document = made.model_dump_json()
    return script(_WRITE, MANIFEST, document, RELEASE, release_text(made), summary=f"write {RELEASE} and {MANIFEST}")


def release_text(made: Manifest) -> str:
    """Give lines of KEY="value", as in os-release(5), without the last line break."""
    return "\n".join(f'{key}="{_quoted(value)}"' for key, value in dict(_fields(made)).items())


def _fields(made: Manifest) -> Iterator[tuple[str, str]]:
    yield "RECIPE", made.recipe
    yield "OS", made.os
    yield "ARCH", made.architecture
    yield "RUN", made.run
    yield "SOURCE_AMI", made.source.ami
    yield "SOURCE_RUN", made.lineage.run
    yield "COMMIT", made.commit
    yield "AMIFORGE_VERSION", made.amiforge
    yield "BUILD_TIME", made.finished
    yield "KERNEL", made.inventory.default_kernel or made.inventory.kernel
    for each in made.components:
        if each.version:
            yield f"{re.sub('[^A-Z0-9]+', '_', each.title.upper()).strip('_')}_VERSION", each.version


def _quoted(value: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", " ".join(value.split()))
