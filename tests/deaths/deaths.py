"""One bake that dies, what is done about it, and what must be there in the end."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from amiforge.bake import bake
from amiforge.bake.history import History
from amiforge.bake.journal import NAME, read
from amiforge.bake.resume import resume
from amiforge.bake.steps import instance
from amiforge.cli import app
from amiforge.ec2.builder import Builder
from amiforge.ec2.source_image import SourceImage
from amiforge.errors import CheckFailed
from amiforge.recipes.recipe import Recipe
from amiforge.sandbox.api.app import App
from amiforge.sandbox.faults import Fault
from amiforge.settings import AwsSettings, BakeSettings, PublishSettings
from tests.deaths.ec2 import ELSEWHERE, REGION, SOURCE
from tests.deaths.machines import PretendMachines
from tests.deaths.process import End, Moment, World, die, run

RECIPE = Recipe(
    name="empty",
    description="nothing",
    source=SourceImage(name="al2023-ami-*", owner=SOURCE.owner_id),
    builder=Builder(instance_types=("m6i.large", "m7i.large"), ingress=("192.0.2.1/32",)),
    tasks=(),
)
#: What a killed process has written is there for the next one, on a disk or not.
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - mkdtemp makes a folder of its own there
POINTER = "/acme/{recipe}"
_PUBLISHED = "\n".join(
    rf"{where}image (?P<{name}>ami-\w+) published\n{where}pointer /acme/empty/current (?P={name})"
    for name, where in (("here", ""), ("there", f"{ELSEWHERE} "))
)
Sequel = Literal["resume", "gc"]


@dataclass(frozen=True)
class Plan:
    """A bake and its deaths.

    Attributes:
        death: when the bake dies.
        sequel: whether it is resumed, or what it left is collected.
        again: when the processes of the sequel die, one after the other, before one is left alone.
        faults: what goes wrong in EC2 besides.
        bad: a check finds something wrong with the image, so that the bake fails and keeps it as failed.
        builder_gone: between death and sequel the builder has powered itself off.
        publish: what is proven is copied to another region, and named by pointers in both.
    """

    death: Moment
    sequel: Sequel
    again: tuple[Moment, ...] = ()
    faults: tuple[Fault, ...] = ()
    bad: bool = False
    builder_gone: bool = False
    publish: bool = False


@dataclass
class Outcome:
    """What came of a plan: how often something died, at which boundary the bake did, and what is wrong, if anything."""

    plan: Plan
    deaths: int = 0
    boundary: str = ""
    wrong: list[str] = field(default_factory=list)
    log: str = ""


class Attempt:
    """A plan on its way, in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path, app: App) -> None:
        self.plan = plan
        self.folder = folder
        self.runs = folder / "runs"
        self.log = folder / "children.log"
        self.world = World(folder, plan.faults, app)
        self.outcome = Outcome(plan)

    def play(self) -> Outcome:
        """Let it die, do what the plan says about it, and look at what is there."""
        try:
            first = self._child(self._bake, self.plan.death)
            self.outcome.boundary = self._last_line()
            good = [name for name in self.world.inventory() if _stays(name)]
            if self.plan.builder_gone:
                self._power_off()
            if not first.killed:
                self._expect_end(first)
            elif self.plan.sequel == "resume":
                self._resumed()
            else:
                self._collected(good)
        finally:
            self.world.close()
        return self.outcome

    def _child(self, work: Callable[[Moment], None], moment: Moment) -> End:
        end = run(lambda: work(moment), self.log, moment)
        self.outcome.deaths += end.killed
        return end

    def _expect_end(self, end: End) -> None:
        """The moment never came: the bake must have ended as if nobody had been after it."""
        if self.plan.bad:
            self._expect_one_image("failed")
        else:
            self._expect_error(end)
            self._expect_good()

    def _resumed(self) -> None:
        for moment in self.plan.again:
            self._child(self._resume, moment)
        end = self._child(self._resume, Moment())
        if not self._histories():
            self._expect("a run that came to nothing", [])
        elif self.plan.bad:
            self._expect_one_image("failed")
        else:
            self._expect_error(end)
            self._expect_good()
            self._expect_nothing_twice()

    def _expect_nothing_twice(self) -> None:
        """An answer that was lost costs nothing: what it told of is found again."""
        made = self.world.made()
        if self.plan.faults and made != {"builder": 1, "verify": 1, "image": 1}:
            self.outcome.wrong.append(f"something was made twice: {made}")

    def _collected(self, good: Sequence[str]) -> None:
        for moment in self.plan.again:
            self._child(self._collect, moment)
        self._expect_error(self._child(self._collect, Moment()))
        self._expect("after gc", good)

    def _expect_error(self, end: End) -> None:
        if end.error or end.killed:
            self.outcome.wrong.append(end.error or "killed")

    def _expect_one_image(self, state: str = "verified") -> None:
        found = self.world.inventory()
        if not (len(found) == 1 and found[0].startswith("image ") and found[0].endswith(f" {state}")):
            self.outcome.wrong.append(f"instead of one {state} image there is: {found}")
        keys = [str(path) for path in self.runs.glob("*/*.key")]
        if keys:
            self.outcome.wrong.append(f"private keys lie about: {keys}")

    def _expect_good(self) -> None:
        """One image; if it is to be published, one copy of it as well, and a pointer to each."""
        if not self.plan.publish:
            self._expect_one_image()
            return
        found = self.world.inventory()
        if not re.fullmatch(_PUBLISHED, "\n".join(found)):
            self.outcome.wrong.append(f"instead of an image published in two regions there is: {found}")

    def _expect(self, when: str, wanted: Sequence[str]) -> None:
        found = self.world.inventory()
        if found != list(wanted):
            self.outcome.wrong.append(f"{when} there is {found} and not {list(wanted)}")

    def _power_off(self) -> None:
        for machine in (self.folder / "machines").glob("*/on"):
            machine.unlink(missing_ok=True)

    def _last_line(self) -> str:
        lines = [line for journal in self.runs.glob(f"*/{NAME}") for line in read(journal)]
        if not lines:
            return "before the journal"
        return " ".join(filter(None, (lines[-1].get("step"), lines[-1]["kind"], lines[-1].get("operation"))))

    # What children do.

    @property
    def _settings(self) -> BakeSettings:
        return BakeSettings(runs=str(self.runs), poll=0.05)

    @property
    def _publish(self) -> PublishSettings | None:
        return PublishSettings(regions=(ELSEWHERE,), pointer=POINTER) if self.plan.publish else None

    def _means(self) -> Any:
        return PretendMachines(self.folder).means(bad=self.plan.bad)

    def _bake(self, _moment: Moment) -> None:
        instance._SEEN = 0.5
        with _failing(self.plan.bad):
            bake(RECIPE, self.world.settings, publish=self._publish, settings=self._settings, means=self._means())

    def _resume(self, _moment: Moment) -> None:
        instance._SEEN = 0.5
        for history in self._histories():
            if history.outcome not in {"baked", "failed"}:
                with _failing(self.plan.bad):
                    resume(
                        history,
                        RECIPE,
                        self.world.settings,
                        publish=self._publish,
                        settings=self._settings,
                        means=self._means(),
                    )

    def _histories(self) -> list[History]:
        """Give the run, if it was begun: one that died before its first line has made nothing."""
        return [History.of(journal.parent) for journal in self.runs.glob(f"*/{NAME}") if journal.read_bytes()]

    def _collect(self, moment: Moment) -> None:
        for folder in self.runs.glob("[0-9]*"):
            _gc(self.world.settings, self.runs, folder.name, moment)


def _stays(name: str) -> bool:
    """Tell whether a thing is nobody's leftover: an image that is proven, and what names it."""
    return "pointer " in name or name.endswith((" verified", " published"))


class _failing:  # noqa: N801 - reads as a statement
    """A bake that is bound to fail, and says so."""

    def __init__(self, bad: bool) -> None:
        self._bad = bad

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return self._bad and kind is CheckFailed


def _gc(settings: AwsSettings, runs: Path, name: str, moment: Moment) -> None:
    """Collect as people do, by the command."""
    os.environ |= {
        "AMIFORGE_AWS_ENDPOINT_URL": settings.endpoint_url,
        "AMIFORGE_AWS_REGION": settings.region,
        "AMIFORGE_BAKE_RUNS": str(runs),
    }
    if moment.call:
        _die_at_call(moment.call)
    status = app.run(["gc", "--run", name, "--region", REGION, "--region", ELSEWHERE, "--delete"])
    if status:
        raise SystemExit(status)


def _die_at_call(number: int) -> None:
    """Die when this process is about to send its n-th call."""
    from botocore.httpsession import URLLib3Session  # noqa: PLC0415 - only here

    session: Any = URLLib3Session
    send, calls = session.send, [0]

    def fatal(of: Any, request: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            die()
        return send(of, request)

    session.send = fatal


def boundaries(plan: Plan, app: App) -> tuple[int, float]:
    """Give how many lines the journal of a bake has that nobody kills, and how many seconds it takes."""
    folder = Path(tempfile.mkdtemp(prefix="deaths-", dir=_MEMORY))
    attempt = Attempt(plan, folder, app)
    outcome = attempt.play()
    if outcome.wrong or outcome.deaths:
        raise RuntimeError(f"a bake without deaths came to no good end: {outcome}")
    lines = [line for journal in attempt.runs.glob(f"*/{NAME}") for line in read(journal)]
    shutil.rmtree(folder)
    return len(lines), lines[-1]["at"] - lines[0]["at"]


def play(plan: Plan, app: App) -> Outcome:
    """Play a plan in a folder that stays only if something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="deaths-", dir=_MEMORY))
    try:
        outcome = Attempt(plan, folder, app).play()
    except Exception as error:  # noqa: BLE001 - one plan says nothing about the others
        outcome = Outcome(plan, wrong=[f"{type(error).__name__}: {error}"])
    if outcome.wrong:
        outcome.log = str(folder)
    else:
        shutil.rmtree(folder)
    return outcome
