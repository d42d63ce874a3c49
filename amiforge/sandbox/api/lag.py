"""Eventual consistency: what was just made is not known everywhere at once, if that was ordered."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock

from amiforge.sandbox.api.faults import Faults
from amiforge.sandbox.faults import Lag, Resource

#: How EC2 says that it does not know something.
_NOT_FOUND: dict[Resource, tuple[str, str]] = {
    "instance": ("InvalidInstanceID.NotFound", "The instance ID '{}' does not exist"),
    "image": ("InvalidAMIID.NotFound", "The image id '[{}]' does not exist"),
    "snapshot": ("InvalidSnapshot.NotFound", "The snapshot '{}' does not exist."),
    "key-pair": ("InvalidKeyPair.NotFound", "The key pair '{}' does not exist"),
    "security-group": ("InvalidGroup.NotFound", "The security group '{}' does not exist"),
}
#: Parameters that name a thing which must be there.
_NAMING = re.compile(
    r"(?:^|\.)(?:(?:Instance|Image|Snapshot|KeyPair|Group|SecurityGroup|Resource)Id"
    r"|KeyName|GroupName|SecurityGroup)(?:\.\d+)?$"
)
#: Calls that name something by a parameter above and do not need it to be there.
_MAKING = ("CreateKeyPair", "ImportKeyPair", "CreateSecurityGroup", "DeleteKeyPair")


@dataclass(slots=True)
class _New:
    resource: Resource
    looks: int
    until: float
    cleared: Event

    def look(self) -> bool:
        """Whether it is still unknown; this look counts."""
        if self.cleared.is_set() or (self.looks <= 0 and time.monotonic() >= self.until):
            return False
        self.looks -= 1
        return True


@dataclass(slots=True)
class News:
    """What was made a moment ago, by each of its names."""

    faults: Faults
    _new: dict[str, _New] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def made(self, resource: Resource, *names: str) -> None:
        """Say that one thing was made; it is unknown from now on, if that was ordered."""
        found = self.faults.take(Lag, lambda fault: fault.resource in ("*", resource))
        if found:
            lag, cleared = found
            new = _New(resource, lag.looks, time.monotonic() + lag.seconds, cleared)
            with self._lock:
                self._new |= dict.fromkeys(names, new)

    def unknown(self, names: Iterable[str]) -> set[str]:
        """Give those that are not known yet; each is looked at once."""
        with self._lock:
            hidden = {name for name in names if name in self._new and self._new[name].look()}
            for name in set(names) & self._new.keys() - hidden:
                del self._new[name]
        return hidden

    def refusal(self, operation: str, parameters: Mapping[str, list[str]]) -> tuple[str, str] | None:
        """Give code and message if a call names what is not known yet."""
        if not self._new or operation in _MAKING:
            return None
        named = [value for key, values in parameters.items() if _NAMING.search(key) for value in values]
        for name in sorted(self.unknown(named)):
            code, message = _NOT_FOUND[self._new[name].resource]
            return code, message.format(name)
        return None
