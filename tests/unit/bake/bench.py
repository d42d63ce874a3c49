"""A bake of an empty recipe in a fresh EC2 in memory, with machines that only answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto.ec2.models import ec2_backends

from amiforge.bake import bake, find_run, opening, quiesce, resume
from amiforge.bake.hooks import Hook
from amiforge.bake.manifest import Manifest
from amiforge.bake.steps import source, verify
from amiforge.ec2.builder import Builder
from amiforge.ec2.session import Call, Clients, OnCall, OnSecret
from amiforge.ec2.source_image import SourceImage
from amiforge.engine.events import Event
from amiforge.recipes.recipe import Recipe
from amiforge.settings import AwsSettings, BakeSettings, PublishSettings
from tests.unit.bake.machine import Machines
from tests.unit.ec2.cloud import REGION, SETTINGS, open_cloud


class Bench:
    """A bake of an empty recipe in a fresh EC2."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.machines = Machines()
        self.builder = Builder(instance_types=("m6i.large", "m7i.large"), ingress=("192.0.2.1/32",))
        self.events: list[Event] = []
        self.hooks: list[Hook] = []
        #: states that the next images to be made are in, and stay in.
        self.fates: list[str] = []
        #: told of the type of each instance that is asked for.
        self.on_launch: Callable[[str], None] = lambda _: None
        self.cloud = open_cloud(self._heard)
        self.faults = self.cloud.faults
        monkeypatch.setattr(opening, "open_clients", self._open)
        monkeypatch.setattr(quiesce, "_PAUSE", 0)
        monkeypatch.setattr(verify, "metadata", lambda _: ())  # of which this EC2 knows half
        monkeypatch.setattr(source, "commit", lambda _folder: "0123abcd")
        monkeypatch.setattr(os, "fsync", lambda _file: None)  # nobody pulls the plug here

    def _heard(self, call: Call) -> None:
        self._on_call(call)
        if (call.operation, call.phase) == ("RunInstances", "asked"):
            self.on_launch(call.about["InstanceType"])
        if (call.operation, call.phase) == ("CreateImage", "answered") and self.fates:
            self.set_image(call.about["ImageId"][0], self.fates.pop(0))

    def set_image(self, image: str, state: str) -> None:
        ec2_backends["123456789012"][REGION].amis[image].state = state

    def _open(self, _aws: AwsSettings, *, on_call: OnCall, on_secret: OnSecret) -> Clients:
        self._on_call = on_call
        return self.cloud.clients

    @contextmanager
    def another(self) -> Iterator[None]:
        """Let a second process begin while one bakes."""
        on_call = self._on_call
        try:
            yield
        finally:
            self._on_call = on_call

    @property
    def recipe(self) -> Recipe:
        al2023 = SourceImage(name="al2023-ami-*", owner="123456789012")
        return Recipe(name="empty", description="nothing", source=al2023, builder=self.builder, tasks=())

    def bake(self, publish: PublishSettings | None = None, **settings: object) -> Manifest:
        return bake(self.recipe, SETTINGS, publish=publish, **self.given(**settings))

    def resume(self, publish: PublishSettings | None = None, **settings: object) -> Manifest:
        return resume(find_run(self.folder), self.recipe, SETTINGS, publish=publish, **self.given(**settings))

    def given(self, **settings: object) -> Any:
        """Give what a bake is given besides recipe and place."""
        return {
            "settings": BakeSettings.model_validate({"runs": str(self.folder), **settings}),
            "listener": self.events.append,
            "hooks": self.hooks,
            "means": self.machines.means(),
        }

    @property
    def run_folder(self) -> Path:
        return max(self.folder.glob("2*"), key=lambda folder: folder.stat().st_ctime_ns)
