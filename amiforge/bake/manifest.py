"""The manifest: what an image is, what it was made of, how, and how long that took."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
from amiforge.ec2.tags import COMMIT
from amiforge.engine.events import (
    ArtifactRecorded,
    CheckFinished,
    Event,
    KeyRecorded,
    Listener,
    StepFinished,
    TaskFinished,
    silent,
)
from amiforge.recipes import version_sets
from amiforge.recipes.recipe import Recipe
from amiforge.recipes.software import software
from amiforge.recipes.supply import downloads

SCHEMA = 2
_REMEMBERED: Mapping[str, type[Event]] = MappingProxyType(
    {kind.__name__: kind for kind in (StepFinished, TaskFinished, CheckFinished, ArtifactRecorded, KeyRecorded)}
)
#: What the journal alone needs of how a recipe was asked for: paths and choices of one machine.
_OWN_AFFAIR = frozenset({"config", "sandbox"})


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


class Component(BaseModel):
    """One piece of software that a task puts on the image; without a version, whatever its source held then."""

    model_config = ConfigDict(frozen=True)

    task: str
    title: str
    version: str
    source: str


class Artifact(BaseModel):
    """Something that the recipe's resources fetched: sha256 of a file, fingerprint of a key, commit of a checkout."""

    model_config = ConfigDict(frozen=True)

    kind: str
    url: str
    digest: str = ""


class Lineage(BaseModel):
    """Where the source image comes from, as it says itself; all empty where it is not of amiforge's making."""

    model_config = ConfigDict(frozen=True)

    run: str = ""
    recipe: str = ""
    source: str = ""
    commit: str = ""
    amiforge: str = ""
    built: str = ""


class Manifest(BaseModel):
    """Everything worth knowing about an image. Written as JSON into the run's folder, and onto the image itself.

    The image's own is written before there is an image, so that id, snapshots, publication, and what verifying came
    to, are empty there.

    Attributes:
        asked: how the recipe was asked for: `changes` as given with `--set`, `withheld` names of those with secrets,
            and the like.
        version_set: the one that was asked for, or that the operating system implies.
        options: what all that came to, by task.
        commit: of the repository with the settings file, see `amiforge.bake.commit`.
        components: what the tasks say that they put there; `inventory` is what was found.
        artifacts: what was fetched from outside, each once.
        publication: what became of the image after it was proven.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA
    amiforge: str
    run: str
    region: str
    recipe: str
    description: str
    commit: str
    image: str
    image_name: str
    snapshots: tuple[str, ...]
    os: str
    architecture: str
    source: ResolvedImage
    lineage: Lineage
    instance_type: str
    builder: dict[str, Any]
    asked: dict[str, Any]
    version_set: str
    options: dict[str, dict[str, Any]]
    components: tuple[Component, ...]
    artifacts: tuple[Artifact, ...]
    inventory: Inventory
    resources: dict[str, int]
    verification: Verification
    steps: tuple[Timing, ...]
    tasks: tuple[Timing, ...]
    started: str
    finished: str
    seconds: float
    publication: Any = None

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
        #: digests and fingerprints that were seen for the first time, by address.
        self.recorded: dict[str, str] = {}
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
            case ArtifactRecorded(url=url, sha256=proof) | KeyRecorded(url=url, fingerprint=proof):
                self.recorded[url] = proof
            case _:
                pass


def manifest(run: Run, notes: Notes, finished: float) -> Manifest:
    """Give the manifest of a run as far as it has come at this time, in seconds since the epoch."""
    recipe, state = run.recipe, run.state
    done, image = state.provisioned, state.image
    implied = version_sets.implied(recipe.source.os)
    version_set = run.asked.get("versions") or (implied.name if implied else "")
    made = Manifest(
        amiforge=version("amiforge"),
        run=run.id,
        region=run.clients.region,
        recipe=recipe.name,
        description=recipe.description,
        commit=run.provenance.get(COMMIT, ""),
        image=image.id if image else "",
        image_name=run.image_name,
        snapshots=image.snapshots if image else (),
        os=recipe.source.os,
        architecture=run.source.architecture,
        source=run.source,
        lineage=_lineage(state.inventory),
        instance_type=run.builder.instance_type,
        builder=shown(recipe.builder),
        asked={name: value for name, value in run.asked.items() if name not in _OWN_AFFAIR},
        version_set=version_set,
        options={task.name(): shown(task) for task in recipe.tasks},
        components=tuple(_components(recipe, version_set)),
        artifacts=tuple(_artifacts(run, notes)),
        inventory=state.inventory or Inventory(),
        resources={"ok": done.ok, "changed": done.changed, "ran": done.ran} if done else {},
        verification=Verification(outcome=state.verification, checks=tuple(notes.checks)),
        steps=tuple(notes.steps),
        tasks=tuple(notes.tasks),
        started=_iso(run.started),
        finished=_iso(finished),
        seconds=round(finished - run.started, 3),
        publication=getattr(state, "publication", None),
    )
    return Manifest.model_validate(run.redaction.data(made.model_dump(mode="json")))


def _lineage(found: Inventory | None) -> Lineage:
    said = found.release if found else {}
    names = {"run": "RUN", "recipe": "RECIPE", "source": "SOURCE_AMI", "commit": "COMMIT"}
    names |= {"amiforge": "AMIFORGE_VERSION", "built": "BUILD_TIME"}
    return Lineage(**{field: said.get(name, "") for field, name in names.items()})


def _components(recipe: Recipe, version_set: str) -> Iterator[Component]:
    for each in software(recipe, version_set):
        yield Component(task=each.task, title=each.title, version=each.version, source=each.source)


def _artifacts(run: Run, notes: Notes) -> Iterator[Artifact]:
    trust = run.means.trusted(run.engine)
    for each in downloads(run.recipe):
        yield Artifact(kind=each.kind, url=each.url, digest=each.proof(trust) or notes.recorded.get(each.url, ""))


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
