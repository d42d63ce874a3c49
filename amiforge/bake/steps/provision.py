"""Steps on the builder itself: the recipe's tasks, the proof, the wipe."""

from __future__ import annotations

from amiforge.bake.clean import seal
from amiforge.bake.gate.portrait import portrait
from amiforge.bake.quiesce import quiesce
from amiforge.bake.readiness import refuse_unfit
from amiforge.bake.run import Run
from amiforge.bake.state import Provisioned
from amiforge.bake.step import Step
from amiforge.bake.steps.builder import being_wiped, off_by_itself, sealed
from amiforge.engine.events import Waiting
from amiforge.errors import HostError, RebootError, TaskError
from amiforge.redaction import secrets_in

_CLEAN_TIMEOUT = 900.0


class Provision(Step):
    """Apply the recipe's tasks."""

    title = "provision"

    def find(self, run: Run) -> bool:
        """They count for the builder they were applied to."""
        done = run.state.provisioned
        return sealed(run) or (done is not None and done.instance == run.builder.id)

    def do(self, run: Run) -> str:
        """Apply them."""
        report = run.means.provision(run.host, run.recipe, run.engine, run.listener, run.id)
        ok, changed, ran = (report.count(status) for status in ("ok", "changed", "ran"))
        run.note(provisioned=Provisioned(instance=run.builder.id, ok=ok, changed=changed, ran=ran))
        return f"{report.changed} changed, {ok} as wanted"


class Validate(Step):
    """Make sure that the builder is fit to become an image."""

    title = "validate"

    def find(self, run: Run) -> bool:
        """It is asked again until the wipe begins."""
        return sealed(run) or being_wiped(run)

    def do(self, run: Run) -> str:
        """Let the builder come to rest, and ask it."""

        def tell(seconds: float, what: str) -> None:
            run.listener(Waiting(what="the builder to come to rest", seconds=seconds, detail=what))

        quiesce(run.host, run.settings.quiesce_deadline, tell)
        refuse_unfit(run.host, run.settings.reach_deadline, run.condition)
        run.note(portrait=portrait(run.host, run.settings.reach_deadline))
        return "at rest, and fit to become an image"


class Clean(Step):
    """Wipe identity, ways in and traces. A builder that is proven clean powers itself off, and nobody logs in again."""

    title = "clean"

    def find(self, run: Run) -> bool:
        """It counts once it is proven."""
        return sealed(run)

    def do(self, run: Run) -> str:
        """Wipe, and prove it."""
        run.note(cleaning=run.builder.id)

        def tell(line: str) -> None:
            if ": " not in line:  # a part of the work; each thing that is removed would be too much
                run.listener(Waiting(what="the wipe", seconds=0, detail=line))

        try:
            removed = seal(
                run.host,
                run.id,
                _CLEAN_TIMEOUT,
                tell,
                secrets=tuple(secrets_in(run.recipe)),
                allowed=run.settings.private_keys,
            )
            said = f"{removed} things removed"
        except (TaskError, RebootError):
            # It is open again, and a power-off from here on proves nothing.
            run.note(cleaning="")
            raise
        except HostError:
            if not off_by_itself(run, run.builder):
                raise
            said = "proven, by a builder that powered itself off"
        run.login = ""
        run.note(sealed=run.builder.id)
        run.host.close()
        return said
