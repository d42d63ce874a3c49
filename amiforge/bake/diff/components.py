"""Which components moved, and what only went along with one of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from amiforge.bake.diff.difference import Change, Moved
from amiforge.bake.manifest import Manifest

KERNEL = "kernel"

#: `6.12.40-64.114.amzn2023` of `6.12.40-64.114.amzn2023.x86_64`, `6.8.0-1021` of `6.8.0-1021-aws`.
_KERNEL_SUFFIX = re.compile(r"(?:\.(?:x86_64|aarch64)|-[a-z][a-z0-9-]*)$")


@dataclass
class Component:
    """A component that moved, and what goes with it so far."""

    task: str
    titles: list[str]
    before: str
    after: str
    packages: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)

    @property
    def moved(self) -> Moved:
        """The same as a value."""
        return Moved(
            title=", ".join(self.titles),
            before=self.before,
            after=self.after,
            task=self.task,
            packages=tuple(sorted(self.packages)),
            modules=tuple(sorted(self.modules)),
            downloads=tuple(sorted(self.downloads)),
        )

    def explains(self, change: Change) -> bool:
        """Tell whether a thing's version went from the component's old one to its new one."""
        return self._is(change.before, self.before) and self._is(change.after, self.after)

    def explains_option(self, change: Change) -> bool:
        """Tell whether an option of the component's task is the one that says its version."""
        task, _, _ = change.name.partition(".")
        return (task, change.before, change.after) == (self.task, self.before, self.after)

    def renamed(self, name: str) -> Iterator[str]:
        """Give what a thing is called now whose name bears the old version, or the beginning of it."""
        for old, new in self._names:
            found = re.sub(rf"(?<![0-9]){re.escape(old)}(?![0-9])", new, name)
            if found != name:
                yield found

    @property
    def _names(self) -> Iterator[tuple[str, str]]:
        """Give the ways in which names bear the version, old and new, longest first: `13.0`, `13-0`, `13`."""
        old, new = (_KERNEL_SUFFIX.sub("", version) for version in (self.before, self.after))
        if not (old and new):
            return
        yield old, new
        parts = [re.split(r"[.+~-]", version) for version in (old, new)]
        for length in (3, 2, 1):
            for joint in ".-_" if length > 1 else ".":
                names = joint.join(parts[0][:length]), joint.join(parts[1][:length])
                if names[0] != names[1]:
                    yield names

    def _is(self, version: str, mine: str) -> bool:
        version = re.sub(r"^\d+:", "", version)
        if not (version and mine):
            return False
        if self.titles == [KERNEL]:
            mine = _KERNEL_SUFFIX.sub("", mine)
            return bool(re.match(rf"{re.escape(mine)}(?![0-9])", version))
        return bool(re.match(rf"{re.escape(mine)}(?:$|[-+~_])", version))


def moved_components(before: Manifest, after: Manifest) -> list[Component]:
    """Give the components whose version is another, in the order of tasks, the kernel last.

    Those of one task that went from the same version to the same version are one.
    """
    old, new = (dict(_versions(made)) for made in (before, after))
    together: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for task, title in {**new, **old}:
        versions = old.get((task, title), ""), new.get((task, title), "")
        if versions[0] != versions[1]:
            together[task, *versions].append(title)
    return [Component(task, titles, was, now) for (task, was, now), titles in together.items()]


def _versions(made: Manifest) -> Iterator[tuple[tuple[str, str], str]]:
    for each in made.components:
        yield (each.task, each.title), each.version
    yield ("", KERNEL), made.inventory.default_kernel or made.inventory.kernel


def explaining(components: Iterable[Component], change: Change) -> Component | None:
    """Give the component whose move explains that of a package or module."""
    return next((each for each in components if each.explains(change)), None)
