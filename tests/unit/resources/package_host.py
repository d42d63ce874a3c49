"""A pretended host: programs named rpm, dnf, apt-get, … over one file of state, which print what the real ones print.

It runs as those programs (`python package_host.py STATE PROGRAM ARGUMENTS`), so that our texts meet a real shell, and
is imported by tests, which write the state, read it and change it behind our back.
"""

# ruff: noqa: T201 - printing is its trade
from __future__ import annotations

import json
import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

PROGRAMS = ("rpm", "dnf", "yum", "dpkg-query", "dpkg", "apt-get", "apt-cache", "apt-mark", "find", "ls", "touch")

State = dict[str, Any]


class PackageHost:
    """The state of a pretended host, and the sh text that puts its programs first on PATH."""

    def __init__(self, folder: Path, **state: Any) -> None:
        self._file = folder / "state.json"
        self.write(
            {
                "installed": {},  # name: [epoch:]version-release
                "available": {},  # name: versions, oldest first
                "security": [],  # names whose newest version mends a vulnerability
                "locks": [],  # dnf and yum: name-epoch:version-release.*
                "held": [],  # apt: names
                "groups": [],
                "fresh": True,  # package lists of apt are not old
                "lies": False,  # every order says yes and does nothing
                "log": [],
                **state,
            }
        )
        programs = folder / "bin"
        programs.mkdir()
        for name in PROGRAMS:
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {__file__} {self._file} {name} "$@"\n')
            program.chmod(0o755)
        self.prelude = f"PATH={programs}:$PATH"

    def read(self) -> State:
        state: State = json.loads(self._file.read_text())
        return state

    def write(self, state: State) -> None:
        self._file.write_text(json.dumps(state))

    def change(self, **values: Any) -> None:
        self.write({**self.read(), **values})

    def install(self, **packages: str) -> None:
        """Change installed versions by hand; an empty one removes. An underscore stands for a dash."""
        named = {name.replace("_", "-"): version for name, version in packages.items()}
        installed = {**self.read()["installed"], **named}
        self.change(installed={name: version for name, version in installed.items() if version})

    @property
    def orders(self) -> list[str]:
        """What ran and was no question, in words."""
        return [line for line in self.read()["log"] if not line.startswith(("rpm", "dpkg-query", "find", "ls"))]


def without_epoch(version: str) -> str:
    return version.rpartition(":")[2]


def fits(version: str, wanted: str) -> bool:
    versions = (version, without_epoch(version))
    return any(each == wanted or each.startswith(f"{wanted}-") for each in versions)


def fields(name: str, full: str) -> str:
    epoch, _, rest = full.rpartition(":")
    version, _, release = rest.partition("-")
    return f"{name}\t{epoch or '0'}\t{version}\t{release}\tx86_64"


def label(name: str, full: str) -> str:
    return f"{name}-{full if ':' in full else f'0:{full}'}"


def locked(state: State, name: str, version: str) -> bool:
    locks = [lock for lock in state["locks"] if lock.startswith(f"{name}-") and lock[len(name) + 1].isdigit()]
    return bool(locks) and not any(fnmatchcase(f"{label(name, version)}.x86_64", lock) for lock in locks)


def newer(state: State, options: list[str], names: list[str]) -> dict[str, str]:
    excluded = [option.partition("=")[2] for option in options if option.startswith("--exclude=")]
    found = {}
    for name, version in state["installed"].items():
        newest = state["available"].get(name, [version])[-1]
        wanted = not names or name in names
        security = "--security" not in options or name in state["security"]
        free = not any(fnmatchcase(name, pattern) for pattern in excluded) and not locked(state, name, newest)
        if newest != version and wanted and security and free and name not in state["held"]:
            found[name] = newest
    return found


def rpm(state: State, words: list[str]) -> int:
    names = words[words.index("--") + 1 :] if "--" in words else words[1:]
    installed = state["installed"]
    if words[0] == "-qa":
        for name, version in installed.items():
            if any(fnmatchcase(name, pattern) for pattern in names):
                print(fields(name, version))
        return 0
    missing = 0
    for name in names:
        found = [each for each in installed if name in {each, f"{each}-{without_epoch(installed[each]).split('-')[0]}"}]
        print(fields(found[0], installed[found[0]]) if found else f"package {name} is not installed")
        missing += not found
    return missing


def dnf(state: State, words: list[str], *, downgrades: bool = True) -> int:
    options = [word for word in words if word.startswith("-") and word != "--"]
    order, *names = [word for word in words if not word.startswith("-")]
    if order == "check-update":
        found = newer(state, options, names)
        print("\n" * bool(found) + "".join(f"{name}.x86_64    {version}    core\n" for name, version in found.items()))
        return 100 if found else 0
    if order in {"group", "groups"}:
        print("Installed Groups:\n" + "".join(f"   Some Words ({group})\n" for group in state["groups"]))
        return 0
    if order == "versionlock":
        return versionlock(state, *names)
    if state["lies"]:
        return 0
    if order in {"install", "downgrade"}:
        return install(state, names, downgrades=downgrades or order == "downgrade")
    if order in {"upgrade", "update"}:
        state["installed"].update(newer(state, options, names))
    if order == "remove":
        remove(state, names)
    return 0


def yum(state: State, words: list[str]) -> int:
    return dnf(state, words, downgrades=False)


def install(state: State, specs: list[str], *, downgrades: bool) -> int:
    chosen = {}
    for spec in specs:
        if spec.startswith("@"):
            state["groups"].append(spec[1:])
            continue
        matching = {
            name: [version for version in versions if name == spec or fits(version, spec[len(name) + 1 :])]
            for name, versions in state["available"].items()
            if spec == name or spec.startswith(f"{name}-")
        }
        found = {name: versions[-1] for name, versions in matching.items() if versions}
        found = {name: version for name, version in found.items() if not locked(state, name, version)}
        if not found:
            print(f"Error: Unable to find a match: {spec}", file=sys.stderr)
            return 1
        name, version = next(iter(found.items()))
        have = state["installed"].get(name)
        if have is None or (spec != name and (downgrades or newest(state, name, have, version) == version)):
            chosen[name] = version
    state["installed"].update(chosen)
    return 0


def newest(state: State, name: str, *versions: str) -> str:
    return max(versions, key=state["available"][name].index)


def remove(state: State, names: list[str]) -> None:
    state["groups"] = [group for group in state["groups"] if f"@{group}" not in names]
    state["installed"] = {name: version for name, version in state["installed"].items() if name not in names}


def versionlock(state: State, order: str, *patterns: str) -> int:
    if "versionlock" not in state["installed"]:
        print("No such command: versionlock.", file=sys.stderr)
        return 1
    if order == "list":
        print("\n".join(state["locks"]))
    elif not state["lies"]:
        matching = {
            f"{label(name, version)}.*": name
            for name, version in state["installed"].items()
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        }
        if order == "add":
            state["locks"] += list(matching)
        else:
            names = tuple(f"{name}-" for name in matching.values())
            state["locks"] = [lock for lock in state["locks"] if not lock.startswith(names)]
    return 0


def dpkg_query(state: State, words: list[str]) -> int:
    asked = words[words.index("--") + 1 :]
    separator = " " if "} $" in words[1] else "\t"
    status = 0
    for pattern in asked:
        found = [name for name in state["installed"] if fnmatchcase(name, pattern)]
        for name in found:
            row = ["hi " if name in state["held"] else "ii ", name, state["installed"][name]]
            print(separator.join(row[:2] if separator == " " else row))
        if not found:
            print(f"dpkg-query: no packages found matching {pattern}", file=sys.stderr)
            status = 1
    return status


def apt_get(state: State, words: list[str]) -> int:
    options = [word for word in words if word.startswith("-")]
    order, *names = [word for word in words if not word.startswith("-") and "::" not in word]
    if "-s" in options:
        for name, version in newer(state, [], []).items():
            pocket = "security" if name in state["security"] else "updates"
            print(f"Inst {name} [{state['installed'][name]}] ({version} Ubuntu:24.04/noble-{pocket} [amd64]) []")
            print(f"Conf {name} ({version} Ubuntu:24.04/noble-{pocket} [amd64])")
        return 0
    if state["lies"]:
        return 0
    if order == "update":
        state["fresh"] = True
    elif order == "dist-upgrade":
        state["installed"].update(newer(state, [], []))
    elif order == "remove":
        remove(state, names)
    elif order == "install":
        return apt_install(state, names, downgrades="--allow-downgrades" in options)
    return 0


def apt_install(state: State, specs: list[str], *, downgrades: bool) -> int:
    for spec in specs:
        name, _, version = spec.partition("=")
        versions = state["available"].get(name, [])
        have = state["installed"].get(name)
        if not versions or (version and version not in versions) or (version and name in state["held"]):
            print(f"E: Unable to locate package {spec}", file=sys.stderr)
            return 100
        chosen = version or versions[-1]
        if have and newest(state, name, have, chosen) == have != chosen and not downgrades:
            return 100
        state["installed"][name] = chosen
    return 0


def apt_cache(state: State, words: list[str]) -> int:
    order, _, *names = words
    for name in names:
        versions = state["available"].get(name, [])
        if order == "madison":
            print(
                "".join(f" {name} | {version} | http://archive noble/main\n" for version in reversed(versions)), end=""
            )
        elif versions:
            have = state["installed"].get(name, "(none)")
            print(f"{name}:\n  Installed: {have}\n  Candidate: {versions[-1]}\n  Version table:\n     1.0 500")
    return 0


def apt_mark(state: State, words: list[str]) -> int:
    order, *names = [word for word in words if word != "--"]
    if not state["lies"]:
        state["held"] = sorted({*state["held"], *names} if order == "hold" else {*state["held"]} - {*names})
    return 0


def find(state: State, words: list[str]) -> int:
    print(words[0] if state["fresh"] else "", end="\n" * state["fresh"])
    return 0


def nothing(state: State, words: list[str]) -> int:  # noqa: ARG001
    return 0


def main(file: str, program: str, *words: str) -> NoReturn:
    """Run as one of the programs; a separator in an argument would spoil the log and never comes."""
    host = Path(file)
    state = json.loads(host.read_text())
    state["log"].append(" ".join((program, *words)))
    run = {"dpkg-query": dpkg_query, "apt-get": apt_get, "apt-cache": apt_cache, "apt-mark": apt_mark}.get(program)
    run = run or {"rpm": rpm, "dnf": dnf, "yum": yum, "find": find}.get(program, nothing)
    status = run(state, list(words))
    written = host.with_suffix(".new")
    written.write_text(json.dumps(state))
    os.replace(written, host)  # noqa: PTH105 - one import less for every program that runs
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
