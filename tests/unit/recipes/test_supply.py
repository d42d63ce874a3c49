from __future__ import annotations

from collections.abc import Iterator

import pytest

from amiforge.engine.download import Download
from amiforge.engine.resource import Resource
from amiforge.errors import RecipeError
from amiforge.recipes import eks_gpu
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.supply import downloads, refuse_unproven
from amiforge.resources import Artifact, GitCheckout, Repository, Signature, VendorInstall
from amiforge.shell import argv
from amiforge.systems.system import System
from amiforge.systems.trust import FIRST_USE, Trust
from amiforge.tasks.task import Task

FILE, KEY, REPO, GIT, INDEX = (f"https://vendor.example/{name}" for name in ("file", "key", "repo", "x.git", "simple"))
COMMIT = "c" * 40


class Fetching(Task):
    """Fetches one of each."""

    known: bool = False

    def resources(self, system: System) -> Iterator[Resource]:
        """Give one of each kind that fetches, the file twice."""
        yield Artifact(FILE, "/c/file", sha256="a" * 64 if self.known else "")
        yield VendorInstall(
            "x",
            "1",
            observe="",
            install=argv("true"),
            sources=(Artifact(f"{FILE}2", "/c/file2"),),
            fetches=() if self.known else (Download("index", INDEX),),
        )
        yield Artifact(f"{FILE}3", "/c/file3", signature=Signature(f"{FILE}3.sig", KEY))
        yield Repository("vendor", REPO, key_url=KEY, key_fingerprint="B" * 40 if self.known else "")
        yield Repository("gone", f"{REPO}2", key_url=f"{KEY}2", present=False)
        yield GitCheckout(GIT, COMMIT if self.known else "v1", "/src/x")


def recipe(*, known: bool) -> Recipe:
    return eks_gpu.model_copy(update={"tasks": (Fetching(known=known),), "name": "fetching"})


def test_everything_that_is_fetched_is_listed_with_what_the_code_knows_of_it() -> None:
    assert downloads(recipe(known=True)) == (
        Download("file", FILE, "a" * 64),
        Download("file", f"{FILE}2"),
        Download("file", f"{FILE}3", signed=True),
        Download("signature", f"{FILE}3.sig", signed=True),
        Download("key", KEY),
        Download("repository", REPO, signed=True),
        Download("key", KEY, "B" * 40),
        Download("checkout", GIT, COMMIT),
    )


def test_what_would_be_taken_on_first_use_is_refused_by_name() -> None:
    with pytest.raises(RecipeError) as caught:
        refuse_unproven(recipe(known=False), FIRST_USE)
    assert caught.value.lines["downloads"].splitlines() == [
        f"file {FILE}",
        f"index {INDEX}",
        f"file {FILE}2",
        f"key {KEY}",
        f"checkout {GIT}",
    ]


def test_what_the_lock_file_knows_is_proven() -> None:
    refuse_unproven(recipe(known=True), Trust({f"{FILE}2": "d" * 64}, {KEY: "B" * 40}))
