"""Comparing two manifests."""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from amiforge.bake.diff.components import KERNEL, Component, explaining, moved_components
from amiforge.bake.diff.difference import Change, Difference, FileChange, Moved
from amiforge.bake.inventory import File, Package
from amiforge.bake.manifest import Manifest

#: A longer unified diff of a file helps nobody.
_LONGEST = 40
#: So many packages are named where they have nothing else in common.
_NAMED = 3

_Key = tuple[str, str, str, str]


def compare(before: Manifest, after: Manifest) -> Difference:
    """Give what is different in the second image."""
    components = moved_components(before, after)
    packages, added, removed = _packages(before, after, components)
    modules = tuple(_modules(before, after, components))
    downloads = tuple(_downloads(before, after, components))
    found = before.inventory, after.inventory
    repositories = ({each.name: _repository(each) for each in one.repositories} for one in found)
    options = _changes(_options(before), _options(after))
    return Difference(
        before=_label(before),
        after=_label(after),
        components=tuple(each.moved for each in components),
        origin=tuple(_changes(_origin(before), _origin(after))),
        options=tuple(each for each in options if not any(one.explains_option(each) for one in components)),
        packages=tuple(packages),
        added=tuple(added),
        removed=tuple(removed),
        modules=modules,
        repositories=tuple(_changes(*repositories)),
        downloads=downloads,
        units=tuple(_changes(found[0].units, found[1].units)),
        files=tuple(_files(found[0].files, found[1].files)),
    )


def _label(made: Manifest) -> str:
    return f"{made.image or made.run} ({made.recipe} on {made.os} {made.architecture}, {made.finished[:10]})"


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in {**before, **after}:
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            yield Change(name=name, before=old, after=new)


def _origin(made: Manifest) -> dict[str, str]:
    return {
        "recipe": made.recipe,
        "operating system": made.inventory.os or made.os,
        "architecture": made.architecture,
        "version set": made.version_set,
        "source image": f"{made.source.ami} {made.source.name}".strip(),
        "commit": made.commit,
        "amiforge": made.amiforge,
    }


def _options(made: Manifest) -> dict[str, str]:
    tasks = {f"{task}.{name}": value for task, each in made.options.items() for name, value in each.items()}
    builder = {f"builder.{name}": value for name, value in made.builder.items()}
    return {name: _shown(value) for name, value in {**tasks, **builder}.items()}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _packages(
    before: Manifest, after: Manifest, components: list[Component]
) -> tuple[Iterator[Moved], Iterator[Change], Iterator[Change]]:
    """Give packages that moved by themselves, and those added and removed; the others go with their components."""
    old, new = (_by_key(made.inventory.packages) for made in (before, after))
    both = {
        key: Change(name=key[1], before=old[key], after=new[key]) for key in old if old[key] != new.get(key, old[key])
    }
    gone, come = ({key: one[key] for key in one if key not in other} for one, other in ((old, new), (new, old)))
    _pair(gone, come, components)
    rest: dict[_Key, Change] = {}
    for key, change in both.items():
        if component := explaining(components, change):
            component.packages.append(change.name)
        else:
            rest[key] = change
    added = (Change(name=key[1], after=version) for key, version in come.items())
    removed = (Change(name=key[1], before=version) for key, version in gone.items())
    return _together(rest, after.inventory.packages), added, removed


def _key(package: Package) -> _Key:
    return package.kind, package.name, package.arch, package.place


def _by_key(packages: Iterable[Package]) -> dict[_Key, str]:
    """Give versions by package; of those that may be there several times, all."""
    versions: defaultdict[_Key, list[str]] = defaultdict(list)
    for each in packages:
        versions[_key(each)].append(each.version)
    return {key: ", ".join(found) for key, found in sorted(versions.items())}


def _pair(gone: dict[_Key, str], come: dict[_Key, str], components: list[Component]) -> None:
    """Take out packages that only have another name because the version of a component is a part of it."""
    for key in [*gone]:
        kind, name, arch, place = key
        for component in components:
            renamed = ((kind, other, arch, place) for other in component.renamed(name))
            if found := next((other for other in renamed if other in come), None):
                component.packages.append(found[1])
                del gone[key], come[found]
                break


def _together(changes: Mapping[_Key, Change], packages: Iterable[Package]) -> Iterator[Moved]:
    """Give packages that went from the same version to the same version as one, by their source if they can be."""
    sources = {_key(each): each.source for each in packages}
    groups: defaultdict[tuple[str, str, str], list[_Key]] = defaultdict(list)
    for key, change in changes.items():
        groups[key[0], change.before, change.after].append(key)
    for (_, before, after), keys in groups.items():
        names = tuple(dict.fromkeys(name for _, name, _, _ in keys))
        source = {sources.get(key, "") for key in keys}
        title = names[0] if len(names) == 1 else _common(names, source.pop() if len(source) == 1 else "")
        yield Moved(title=title, before=before, after=after, packages=names)


def _common(names: tuple[str, ...], source: str) -> str:
    return source or ", ".join(names[:_NAMED]) + "…" * (len(names) > _NAMED)


def _modules(before: Manifest, after: Manifest, components: list[Component]) -> Iterator[Change]:
    old, new = (_module_states(made) for made in (before, after))
    kernel = next((each for each in components if each.titles == [KERNEL]), None)
    for name, dkms in {**old, **new}:
        (was, was_for), (now, now_for) = (states.get((name, dkms), ("", "")) for states in (old, new))
        change = Change(name=f"{name} (DKMS)" if dkms else name, before=was, after=now)
        if was != now:
            if component := explaining(components, change):
                component.modules.append(change.name)
            else:
                yield change
        elif was_for != now_for:
            if kernel:
                kernel.modules.append(change.name)
            else:
                yield Change(name=change.name, before=was_for, after=now_for)


def _module_states(made: Manifest) -> dict[tuple[str, bool], tuple[str, str]]:
    """Give versions, and what they are built for, by name."""
    found: defaultdict[tuple[str, bool], tuple[dict[str, None], dict[str, None]]] = defaultdict(lambda: ({}, {}))
    for each in made.inventory.modules:
        versions, kernels = found[each.name, bool(each.dkms)]
        versions[each.version or "present"] = None
        kernels[" ".join(filter(None, (each.vermagic or each.kernel, each.dkms)))] = None
    return {key: (", ".join(versions), ", ".join(kernels)) for key, (versions, kernels) in found.items()}


def _repository(each: Any) -> str:
    return " ".join(filter(None, (each.url, "" if each.enabled else "disabled", " ".join(each.keys))))


def _downloads(before: Manifest, after: Manifest, components: list[Component]) -> Iterator[Change]:
    old, new = ({each.url: each.digest for each in made.artifacts} for made in (before, after))
    gone = {url for url in old if url not in new}
    for url in old:
        for component in components if url in gone else ():
            if found := next((other for other in component.renamed(url) if other in new and other not in old), None):
                component.downloads.append(found)
                gone.remove(url)
                del new[found]
                break
    kept = {url: digest or "no digest" for url, digest in old.items() if url in new or url in gone}
    yield from _changes(kept, {url: digest or "no digest" for url, digest in new.items()})


def _files(before: Iterable[File], after: Iterable[File]) -> Iterator[FileChange]:
    old, new = ({each.path: each for each in files} for files in (before, after))
    for path in sorted({*old, *new}):
        was, now = (files.get(path, File(path=path, sha256="")) for files in (old, new))
        if was.sha256 != now.sha256:
            yield FileChange(path=path, before=was.sha256, after=now.sha256, diff=_diff(was, now))


def _diff(was: File, now: File) -> str:
    if any(each.sha256 and not each.text for each in (was, now)):
        return ""
    lines = [*difflib.unified_diff(was.text.splitlines(), now.text.splitlines(), lineterm="", n=1)][2:]
    return "\n".join(lines) if len(lines) <= _LONGEST else ""
