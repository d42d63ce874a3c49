"""What a step of a bake is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from amiforge.bake.run import Run


class Step(ABC):
    """One step: tells whether it has happened, happens, and can be taken back.

    Attributes:
        title: what people read: `launch builder`.
        cost: what it made is taken back before anything of lower cost: an instance is dear, a key costs nothing.
    """

    title: ClassVar[str]
    cost: ClassVar[int] = 0

    def find(self, run: Run) -> bool:
        """Tell whether what it brings about is so already, and adopt that.

        What another process wrote down before it died is looked for in EC2 before it is believed.
        """
        return False

    @abstractmethod
    def do(self, run: Run) -> str:
        """Make it happen; gives what people may want to know of it. May have happened in part."""

    def undo(self, run: Run) -> Iterator[str]:
        """Take back what it made; gives what is still there, to be asked again. May be called at any time, often."""
        return iter(())
