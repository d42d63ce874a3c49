"""The manifest: what an image is, what it was made of, how, and how long that took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict

from amiforge.bake.inventory import Inventory
from amiforge.bake.run import Run
from amiforge.ec2.resolve import ResolvedImage
from amiforge.engine.events import CheckFinished, Event, Listener, StepFinished, TaskFinished, silent
from amiforge.recipes.recipe import Recipe

SCHEMA = 1
_REMEMBERED: Mapping[str, type[Event]] = MappingProxyType(
    {kind.__name__: kind for kind in (StepFinished, TaskFinished, CheckFinished)}
)


class Timing(BaseModel):
    """How long a step or task took, in seconds."""

    model_config = ConfigDict(frozen=True)

    name: str
    seconds: float


class CheckOutcome(BaseModel):
    """One statement about an instance of the image, and whether it was true."""

    model_config = ConfigDict(frozen=True)

    task: str
    title: str
    outcome: str
    detail: str = ""


class Verification(BaseModel):
    """What verifying came to: `passed`, `skipped` by request, `unverified` for lack of room; and every check."""

    model_config = ConfigDict(frozen=True)

    outcome: str
    checks: tuple[CheckOutcome, ...] = ()


class Manifest(BaseModel):
    """Everything worth knowing about a finished image. Written as JSON into the run's folder."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA
    amiforge: str
    run: str
    region: str
    recipe: str
    description: str
    image: str
    image_name: str
    snapshots: tuple[str, ...]
    architecture: str
    source: ResolvedImage
    instance_type: str
    builder: dict[str, Any]
    options: dict[str, dict[str, Any]]
    versions: Inventory
    resources: dict[str, int]
    verification: Verification
    steps: tuple[Timing, ...]
    tasks: tuple[Timing, ...]
    started: str
    finished: str
    seconds: float

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        draft = path.with_suffix(".draft")
        draft.write_text(self.model_dump_json(indent=2) + "\n")
        draft.replace(path)


class Notes:
    """A listener that remembers what belongs into the manifest, and hands every event on."""

    def __init__(self, listener: Listener) -> None:
        self.steps: list[Timing] = []
        self.tasks: list[Timing] = []
        self.checks: list[CheckOutcome] = []
        self._listener = listener

    def recall(self, log: Path) -> None:
        """Take note of what a run's event log tells of earlier processes; what is not understood is passed over."""
        for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
            with suppress(ValueError, TypeError, AttributeError):
                told = json.loads(line)
                if kind := _REMEMBERED.get(told.pop("event", "")):
                    self.take(kind(**told))

    def __call__(self, event: Event) -> None:
        """Take note of an event. When nobody can be told any more (a closed terminal), the bake goes on untold."""
        self.take(event)
        try:
            self._listener(event)
        except OSError:
            self._listener = silent

    def take(self, event: Event) -> None:
        """Take note of an event, which everybody else has heard of."""
        match event:
            case StepFinished(detail="found"):
                pass  # it took its time in an earlier process
            case StepFinished(step=name, seconds=seconds):
                self.steps.append(Timing(name=name, seconds=round(seconds, 3)))
            case TaskFinished(task=name, seconds=seconds):
                self.tasks.append(Timing(name=name, seconds=round(seconds, 3)))
            case CheckFinished(task=task, title=title, outcome=outcome, detail=detail):
                self.checks.append(CheckOutcome(task=task, title=title, outcome=outcome, detail=detail))
            case _:
                pass


def manifest(run: Run, notes: Notes, finished: float) -> Manifest:
    """Give the manifest of a run that has come to its end at this time, in seconds since the epoch."""
    done = run.state.provisioned
    made = Manifest(
        amiforge=version("amiforge"),
        run=run.id,
        region=run.clients.region,
        recipe=run.recipe.name,
        description=run.recipe.description,
        image=run.image.id,
        image_name=run.image_name,
        snapshots=run.image.snapshots,
        architecture=run.source.architecture,
        source=run.source,
        instance_type=run.builder.instance_type,
        builder=shown(run.recipe.builder),
        options={task.name(): shown(task) for task in run.recipe.tasks},
        versions=run.state.inventory or Inventory(),
        resources={"ok": done.ok, "changed": done.changed, "ran": done.ran} if done else {},
        verification=Verification(outcome=run.state.verification, checks=tuple(notes.checks)),
        steps=tuple(notes.steps),
        tasks=tuple(notes.tasks),
        started=_iso(run.started),
        finished=_iso(finished),
        seconds=round(finished - run.started, 3),
    )
    return Manifest.model_validate(run.redaction.data(made.model_dump(mode="json")))


def described(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Give what a recipe comes to: the options of its source, its builder and every task, secrets masked."""
    parts = {"source": recipe.source, "builder": recipe.builder, **{task.name(): task for task in recipe.tasks}}
    return {name: shown(part) for name, part in parts.items()}


def shown(options: BaseModel) -> dict[str, Any]:
    """Give options as plain data, secrets masked."""
    plain: dict[str, Any] = json.loads(json.dumps(_fields(options), default=_plain))
    return plain


def _fields(model: BaseModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields}


def _plain(value: object) -> object:
    """Give what JSON has no notation for: a model as its fields, everything else as people see it."""
    return _fields(value) if isinstance(value, BaseModel) else str(value)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
