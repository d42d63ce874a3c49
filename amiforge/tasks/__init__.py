"""Software components: typed options, the resources they consist of, the checks that prove them."""

from amiforge.tasks.task import Check, Options, Task

__all__ = ["Check", "Options", "Task"]
