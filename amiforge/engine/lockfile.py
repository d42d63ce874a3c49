"""amiforge.lock: downloads and signing keys that were seen for the first time, enforced ever after."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amiforge.engine.events import ArtifactRecorded, Event, KeyRecorded
from amiforge.errors import ConfigError
from amiforge.systems.trust import Trust

#: The lines that a download without a known digest, and a key without a known fingerprint, print; the digest or
#: fingerprint follows, and the address.
RECORDED = "amiforge: recorded sha256:"
RECORDED_KEY = "amiforge: recorded key:"

_HEADER = "# What was fetched and is not known otherwise, by address: sha256 of downloads, fingerprints of keys.\n"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")


def recorded(output: str) -> Iterator[ArtifactRecorded | KeyRecorded]:
    """Give what downloads and keys of which nothing was known said in a job's output."""
    for line in output.splitlines():
        if (found := _after(RECORDED, line)) and _SHA256.fullmatch(found[0]):
            yield ArtifactRecorded(url=found[1], sha256=found[0])
        elif (found := _after(RECORDED_KEY, line)) and _FINGERPRINT.fullmatch(found[0]):
            yield KeyRecorded(url=found[1], fingerprint=found[0])


class Lockfile:
    """The file, read when asked and written when something new is recorded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def trust(self) -> Trust:
        """Give what the file says of downloads and of keys.

        Raises:
            ConfigError: the file is no table of digests and fingerprints.
        """
        if not self.path.exists():
            return Trust()
        try:
            document = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{self.path} cannot be read: {error}", fix="mend it, or delete it to record anew"
            ) from None
        return Trust(
            digests=self._table(document, "sha256", _SHA256, "write 64 hex digits, in lower case"),
            fingerprints=self._table(document, "keys", _FINGERPRINT, "write 40 hex digits, in upper case"),
        )

    def record(self, new: Trust) -> None:
        """Add digests and fingerprints, which replace what the file says of the same addresses.

        Raises:
            ConfigError: the file cannot be read or written.
        """
        old = self.trust()
        tables = {"sha256": {**old.digests, **new.digests}, "keys": {**old.fingerprints, **new.fingerprints}}
        text = _HEADER + "".join(_written(name, table) for name, table in tables.items() if table)
        try:
            self.path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written: {error}", fix="name another lock_file") from None

    def listen(self, event: Event) -> None:
        """Record a download's digest or a key's fingerprint; every other event passes."""
        if isinstance(event, ArtifactRecorded):
            self.record(Trust(digests={event.url: event.sha256}))
        elif isinstance(event, KeyRecorded):
            self.record(Trust(fingerprints={event.url: event.fingerprint}))

    def _table(self, document: Mapping[str, Any], name: str, form: re.Pattern[str], fix: str) -> dict[str, str]:
        table = document.get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{self.path}: {name} is no table", fix=f'write [{name}], then "ADDRESS" = "…"')
        for url, value in table.items():
            if not isinstance(value, str) or not form.fullmatch(value):
                raise ConfigError(f"{self.path}: {name}.{url!r} is {value!r}", fix=fix)
        return table


def _after(mark: str, line: str) -> tuple[str, str] | None:
    value, _, url = line.partition(mark)[2].strip().partition(" ")
    return (value, url) if url else None


def _written(name: str, table: Mapping[str, str]) -> str:
    rows = "".join(f'"{url}" = "{value}"\n' for url, value in sorted(table.items()))
    return f"\n[{name}]\n{rows}"
