"""The calls that clients made, for those who want to know."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One operation that a client asked for; `outcome` is `ok`, an error code, or `lost`."""

    service: str
    operation: str
    mutating: bool
    outcome: str
    region: str


@dataclass(slots=True)
class Traffic:
    """The calls seen."""

    calls: list[Call] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def saw(self, call: Call) -> None:
        """Remember a call."""
        with self._lock:
            self.calls.append(call)

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self.calls.clear()

    def listing(self) -> list[dict[str, Any]]:
        """Give the calls as JSON values."""
        with self._lock:
            return [asdict(call) for call in self.calls]
