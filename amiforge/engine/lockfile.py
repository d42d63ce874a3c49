"""amiforge.lock: digests of downloads that were seen for the first time, enforced ever after."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from amiforge.engine.events import ArtifactRecorded, Event
from amiforge.errors import ConfigError

#: The line that a download without a known digest prints; digest and address follow.
RECORDED = "amiforge: recorded sha256:"

_HEADER = "# sha256 of downloads whose vendors publish none, recorded on first use. Keep it under version control.\n"
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


def recorded(output: str) -> Iterator[ArtifactRecorded]:
    """Give what downloads without a known digest said in a job's output."""
    for line in output.splitlines():
        digest, _, url = line.partition(RECORDED)[2].strip().partition(" ")
        if url and _SHA256.match(digest):
            yield ArtifactRecorded(url=url, sha256=digest)


class Lockfile:
    """The file, read when asked and written when something new is recorded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def digests(self) -> dict[str, str]:
        """Give sha256 by address.

        Raises:
            ConfigError: the file is no table of digests.
        """
        if not self.path.exists():
            return {}
        try:
            table = tomllib.loads(self.path.read_text(encoding="utf-8")).get("sha256", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{self.path} cannot be read: {error}", fix="mend it, or delete it to record anew"
            ) from None
        for url, digest in table.items():
            if not isinstance(digest, str) or not _SHA256.match(digest):
                raise ConfigError(f"{self.path}: sha256.{url!r} is no sha256", fix="write 64 hex digits")
        return dict(table)

    def listen(self, event: Event) -> None:
        """Record a download's digest; every other event passes."""
        if isinstance(event, ArtifactRecorded):
            digests = {**self.digests(), event.url: event.sha256}
            rows = "".join(f'"{url}" = "{digest}"\n' for url, digest in sorted(digests.items()))
            self.path.write_text(f"{_HEADER}\n[sha256]\n{rows}", encoding="utf-8")
