"""The account's own SSM parameters as the sandbox remembers them: `parameters.json`, by region and name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: All that is known of one parameter, as JSON values: its tags, and its versions from the oldest to the newest.
ParameterRecord = dict[str, Any]


class ParameterRecords:
    """The parameters in one file, read at once. For one writer only.

    Args:
        path: the file; None keeps nothing.

    Raises:
        ValueError: the file is not JSON.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._saved: dict[str, dict[str, ParameterRecord]] = {}
        if path and path.exists():
            self._saved = json.loads(path.read_text())

    def all(self, region: str) -> dict[str, ParameterRecord]:
        """Give those of a region by name."""
        return self._saved.get(region, {})

    def save(self, region: str, records: dict[str, ParameterRecord]) -> None:
        """Write down those of a region if they changed; the file is replaced in one step."""
        if records == self.all(region):
            return
        self._saved[region] = records
        if self._path:
            draft = self._path.with_suffix(".draft")
            draft.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(self._saved, indent=2, sort_keys=True) + "\n")
            draft.replace(self._path)
