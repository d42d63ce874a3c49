"""What a task is."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from amiforge.errors import RecipeError
from amiforge.tasks.platform import EVERYWHERE, Platform, described, platform

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System


class Options(BaseModel):
    """Typed options: unknown names are refused, values are frozen, every field has a description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, validate_default=True, hide_input_in_errors=True
    )


@dataclass(frozen=True, slots=True)
class Check:
    """One statement about a host, true when `found()` gives `expected`.

    Attributes:
        title: what is stated, as `kernel module nvidia has version 580.159.03`.
        expected: the value that makes it true.
        found: asks the host. An exception counts as a failed check, with its text as the reason.
        device: start of the `vendor:device` of the PCI device without which the check says nothing (`10de`,
            `1d0f:efa`); empty for the static tier, which runs everywhere.
    """

    title: str
    expected: object
    found: Callable[[], object]
    device: str = ""


@dataclass(frozen=True, slots=True)
class Software:
    """One line of what will be on an image.

    Attributes:
        title: what people call it, as `NVIDIA driver`.
        version: exact version; empty for whatever the source holds when the image is baked.
        source: where it comes from: the host and path of a repository or download, or the operating system.
        option: the task's option that says which version, by which `show` finds the reason for it; empty for none.
    """

    title: str
    version: str
    source: str
    option: str = ""


class Task(Options):
    """One software component: its options are its fields.

    A subclass has a docstring (first line: what it is), fields with descriptions, `resources`, `software` and `checks`.
    Where the component does not exist everywhere, `platforms` says so.
    """

    platforms: ClassVar[frozenset[Platform]] = EVERYWHERE

    @classmethod
    def name(cls) -> str:
        """Give the name in recipes, on the command line and in events: `NvidiaDriver` is `nvidia_driver`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @abstractmethod
    def resources(self, system: System) -> Iterator[Resource]:
        """Give what the component consists of on this system, in the order in which it must be made true."""

    def require(self, system: System) -> None:
        """Do nothing where the component exists for a system.

        Raises:
            RecipeError: it does not; names the systems that it exists for.
        """
        if platform(system) not in self.platforms:
            raise RecipeError(
                f"{self.name()} does not exist for {described([platform(system)])}",
                fix=f"leave it out of the recipe, or bake one of {described(self.platforms)}",
            )

    def software(self, system: System) -> Iterator[Software]:
        """Give what the component puts on an image of this system."""
        return iter(())

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Give the statements that prove the component, static ones first."""
        return iter(())
