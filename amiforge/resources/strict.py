"""How every resource is validated."""

from __future__ import annotations

from pydantic import ConfigDict

#: Unknown names are refused, and values are checked against their annotations; validators of kinds that a run does not
#: use are never built, which makes the program start sooner. What is wrong may be a secret in the wrong place.
STRICT = ConfigDict(extra="forbid", defer_build=True, hide_input_in_errors=True)
