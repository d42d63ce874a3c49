"""Software components: typed options, the resources they consist of, the checks that prove them."""

from amiforge.tasks.platform import EVERYWHERE, Platform, platforms
from amiforge.tasks.task import Check, Options, Software, Task

__all__ = ["EVERYWHERE", "Check", "Options", "Platform", "Software", "Task", "platforms"]
