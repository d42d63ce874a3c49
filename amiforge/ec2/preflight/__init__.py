"""Everything about EC2 that can be known before a bake, asked at once and without changing anything.

One module a concern: what AWS said is judged by pure functions, and a thin edge beside them asks. A question that gets
no answer is a finding too, and never ends the others.
"""

from __future__ import annotations

from amiforge.ec2.preflight.finding import Finding, Level
from amiforge.ec2.preflight.questions import preflight
from amiforge.ec2.preflight.services import Services, open_services
from amiforge.ec2.preflight.wanted import Wanted

__all__ = ["Finding", "Level", "Services", "Wanted", "open_services", "preflight"]
