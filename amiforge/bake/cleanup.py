"""Removing everything that a run made, the dearest first, as often as it takes."""

from __future__ import annotations

from collections.abc import Sequence

from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.errors import AmiforgeError, CleanupIncomplete

#: Times in a row that nothing but refusals came back until we believe them.
_REFUSALS = 5


def remove_all(run: Run, steps: Sequence[Step]) -> None:
    """Take back every step. One that is refused or has to wait does not keep the others from being taken back.

    Raises:
        CleanupIncomplete: something is still there; lists it.
    """
    pending = sorted(steps, key=lambda step: -step.cost)
    started, looks, refusals = run.clients.pace.clock(), 0, 0
    while True:
        left = {step: rest for step in pending if (rest := _undo(run, step))}
        if not left:
            return
        refusals = refusals + 1 if all(rest.refused for rest in left.values()) else 0
        waited = run.clients.pace.clock() - started
        listed = "\n".join(text for rest in left.values() for text in rest.texts)
        if refusals == _REFUSALS or waited > run.settings.terminate_deadline:
            raise CleanupIncomplete(f"something of run {run.id} is still there", left=listed)
        run.clients.pace.on_wait("everything of the run to be gone", waited, listed.replace("\n", ", "))
        run.clients.pace.sleep(run.clients.pace.pause(looks))
        pending, looks = list(left), looks + 1


class _Rest:
    """What a step left over, and whether EC2 refused to take it rather than being busy with it."""

    def __init__(self, texts: Sequence[str], *, refused: bool) -> None:
        self.texts = texts
        self.refused = refused


def _undo(run: Run, step: Step) -> _Rest | None:
    run.journal.step = step.title
    try:
        texts = list(step.undo(run))
    except AmiforgeError as error:
        return _Rest([f"{step.title}: {error.message}"], refused=True)
    if texts:
        return _Rest(texts, refused=False)
    run.journal.write("undone", step=step.title)
    return None
