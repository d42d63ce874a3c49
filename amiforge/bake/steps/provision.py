"""Steps on the builder itself: the recipe's tasks, the proof, the wipe."""

from __future__ import annotations

from amiforge.bake.clean import wipe
from amiforge.bake.inventory import inventory
from amiforge.bake.readiness import refuse_unfit
from amiforge.bake.run import Run
from amiforge.bake.step import Step

_CLEAN_TIMEOUT = 900.0


class Provision(Step):
    """Apply the recipe's tasks."""

    title = "provision"

    def do(self, run: Run) -> str:
        """Apply them."""
        run.report = run.means.provision(run.host, run.recipe, run.engine, run.listener)
        return f"{run.report.changed} changed, {run.report.count('ok')} as wanted"


class Validate(Step):
    """Make sure that the builder is fit to become an image, and write down what is on it."""

    title = "validate"

    def do(self, run: Run) -> str:
        """Ask the builder."""
        refuse_unfit(run.host, run.settings.reach_deadline, run.condition)
        run.inventory = inventory(run.host, run.engine.query_timeout)
        return f"{len(run.inventory.packages)} packages, kernel {run.inventory.kernel}"


class Clean(Step):
    """Wipe identity, ways in and traces. From here on nobody can log in to the builder."""

    title = "clean"

    def do(self, run: Run) -> str:
        """Wipe, and prove it."""
        run.login = ""
        return f"{wipe(run.host, _CLEAN_TIMEOUT)} things removed"
