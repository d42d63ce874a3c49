"""Every word that any task or recipe sends to any of its systems: what it fetches from where, and what it checks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from amiforge import recipes
from amiforge.engine.plan import lay_out
from amiforge.engine.resource import Resource
from amiforge.errors import AmiforgeError
from amiforge.recipes.assumed import assumed
from amiforge.resources import Artifact, File, Repository
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.systems.trust import Trust
from amiforge.tasks import registry
from amiforge.tasks.task import Task
from tests.unit.recipes.words import KERNELS, words

MIRROR = "http://mirror.example/m"
ROOT = Path(recipes.__file__).parents[2]

#: What the host itself answers; nothing there leaves it.
LOCAL = re.compile(r"https?://(localhost|127\.\d+\.\d+\.\d+|169\.254\.169\.254)\b")
ADDRESS = re.compile(r"\b(?:https?|ftp|git|ssh|s3)://[^\s'\"<>\\)]+|\bgit@[a-z0-9.-]+:")

#: What turns off a check of signatures, digests or certificates.
UNCHECKED = re.compile(
    r"(?<!repo_)gpgcheck\s*=\s*(0|no|false|off)|trusted\s*[:=]\s*(yes|true|1)\b|--nogpgcheck|--no-gpg-checks"
    r"|--allow-unauthenticated|allow-insecure|AllowUnauthenticated|--force-yes|\[[^\]\n]*\btrusted\b[^\]\n]*\]"
    r"|sslverify\s*=\s*(0|no|false)|--insecure\b|\bcurl\b[^\n|;]* -k\b|--no-check-certificate|--trusted-host",
    re.IGNORECASE,
)


class Everything(Mapping[str, str]):
    """A lock file that knows every address."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __getitem__(self, key: str) -> str:
        return self._value

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


KNOWN = Trust(Everything("a" * 64), Everything("B" * 40))


def dressed(system: System) -> System:
    kernel = KERNELS[system.os.name]
    return replace(system, mirror=MIRROR, trust=KNOWN, kernel=kernel, default_kernel=kernel)


def variants(kind: type[Task]) -> Iterator[Task]:
    """Give a task with its defaults, and with each other value of its options that are a choice."""
    yield kind()
    for name, field in kind.model_fields.items():
        for value in choices(field.annotation):
            with suppress(ValueError, AmiforgeError):
                yield kind.model_validate({name: value})


def choices(annotation: Any) -> tuple[Any, ...]:
    if annotation is bool:
        return (True, False)
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def everywhere() -> Iterator[tuple[str, Task, System]]:
    """Give every task of the registry on its platforms, and every task of a recipe on the recipe's systems."""
    for name in registry.names():
        kind = registry.find(name)
        for os, arch in sorted(kind.platforms):
            yield from ((f"{name} {os} {arch}", task, dressed(System(by_name(os), arch))) for task in variants(kind))
    for name in recipes.names():
        for source in recipes.find(name).sources:
            recipe, system = recipes.find(name).on(source.os, source.architecture), dressed(assumed(source))
            yield from ((f"{name} {source.os} {system.arch}", task, system) for task in recipe.tasks)


@cache
def found() -> tuple[tuple[str, Resource, System], ...]:
    """Give every resource of all of them; a combination of options that the task itself refuses has none."""
    resources: dict[tuple[str, Resource], System] = {}
    for label, task, system in everywhere():
        with suppress(AmiforgeError):
            items = lay_out([task], system)
            resources.update({(label, item.resource): system for item in items})
    return tuple((label, resource, system) for (label, resource), system in resources.items())


def addresses(text: str) -> set[str]:
    return {each for each in ADDRESS.findall(text) if not each.startswith(f"{MIRROR}/") and not LOCAL.match(each)}


def test_every_system_is_looked_at() -> None:
    assert {system.os.name for _, _, system in found()} == set(KERNELS)
    assert len(found()) > 100


def test_with_a_mirror_nothing_names_another_host() -> None:
    outside = {
        f"{label}: {resource.name}: {address}"
        for label, resource, system in found()
        for text in words(resource, system)
        for address in addresses(text)
    }
    assert not outside


def test_everything_that_is_said_to_be_fetched_comes_from_the_mirror() -> None:
    for label, resource, system in found():
        text = "\n".join(words(resource, system))
        missing = [each.url for each in resource.downloads(system) if system.mirrored(each.url) not in text]
        assert not missing, f"{label}: {resource.name}"


def test_nothing_that_is_sent_turns_off_a_check() -> None:
    unchecked = {
        f"{label}: {resource.name}: {match[0]}"
        for label, resource, system in found()
        for text in words(resource, system)
        for match in UNCHECKED.finditer(text)
    }
    assert not unchecked


def test_nothing_in_the_code_its_data_or_its_documentation_turns_off_a_check() -> None:
    unchecked = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (ROOT / "README.md", *sorted((ROOT / "amiforge").rglob("*")), *sorted((ROOT / "docs").rglob("*")))
        if path.is_file() and path.suffix not in {".pyc", ".png", ".svg"}
        for match in UNCHECKED.finditer(path.read_text(encoding="utf-8"))
    ]
    # the names of settings that a Repository refuses
    assert unchecked == ["amiforge/resources/repository.py: allow-insecure"]


def test_no_address_of_a_key_is_plain_http() -> None:
    keys = {each.url for _, resource, system in found() for each in resource.downloads(system) if each.kind == "key"}
    assert keys
    assert all(key.startswith("https://") for key in keys)


@pytest.mark.parametrize(
    "text",
    [
        "gpgcheck=0",
        "gpgcheck = no",
        "Trusted: yes",
        "deb [trusted=yes] x",
        "dnf --nogpgcheck install",
        "apt-get --allow-unauthenticated",
        "curl -fsSL -k https://x",
        "sslverify=0",
    ],
)
def test_what_turns_off_a_check_is_seen(text: str) -> None:
    assert UNCHECKED.search(text)


@pytest.mark.parametrize("text", ["gpgcheck=1", "repo_gpgcheck=0", "untrusted", "[main]\ngpgcheck=1", "curl -kubectl"])
def test_what_turns_nothing_off_is_left_alone(text: str) -> None:
    assert not UNCHECKED.search(text)


@pytest.mark.parametrize(
    "resource",
    [
        File("/etc/x", "index-url = https://pypi.example/simple"),
        Artifact(f"{MIRROR[:-1]}/x", "/c/x"),
        Repository(
            "x", "https://x.example", key_url="https://x.example/key", settings={"proxy_": "see ftp://x.example"}
        ),
    ],
)
def test_an_address_outside_is_seen_wherever_it_stands(resource: Resource) -> None:
    system = dressed(System(by_name("al2023")))
    text = set(words(resource, system))
    unmirrored = set(words(resource, replace(system, mirror="")))
    assert any(addresses(each) for each in text | unmirrored)
