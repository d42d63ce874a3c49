"""The step that writes onto the builder what its image will be."""

from __future__ import annotations

import time

from amiforge.bake.inventory import Inventory, inventory
from amiforge.bake.manifest import Notes, manifest
from amiforge.bake.release import write_release
from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.bake.steps.builder import being_wiped, sealed
from amiforge.engine.events import silent
from amiforge.errors import CommandFailed


class Record(Step):
    """Write down what is on the builder, for the manifest and on the builder itself."""

    title = "record"

    def find(self, run: Run) -> bool:
        """It is done again until the wipe begins."""
        return sealed(run) or being_wiped(run)

    def do(self, run: Run) -> str:
        """Look through the builder, and leave there what was found.

        Raises:
            CommandFailed: the builder cannot be written to.
        """
        found = _of_source(run, inventory(run.host, run.engine.query_timeout))
        run.note(inventory=found)
        notes = Notes(silent)
        notes.recall(run.folder / "events.jsonl")
        command = write_release(manifest(run, notes, time.time()))
        output = run.host.run(command.text(), timeout=run.engine.query_timeout)
        if output.status:
            raise CommandFailed(
                f"{command} failed on {run.host.address}",
                status=str(output.status),
                stderr=output.stderr.decode("utf-8", "replace")[-500:],
            )
        return f"{len(found.packages)} packages, kernel {found.kernel}"


def _of_source(run: Run, found: Inventory) -> Inventory:
    """Keep what the source image said of itself, where an earlier attempt of this run has written over it."""
    before = run.state.inventory
    if found.release.get("RUN") != run.id or before is None:
        return found
    return found.model_copy(update={"release": before.release})
