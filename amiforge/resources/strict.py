"""How every resource is validated."""

from __future__ import annotations

from pydantic import ConfigDict

#: Unknown names are refused, and values are checked against their annotations.
STRICT = ConfigDict(extra="forbid")
