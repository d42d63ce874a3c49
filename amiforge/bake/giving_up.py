"""What collecting a run means on this machine: nobody works on it meanwhile, and nobody goes on with it afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from amiforge.bake.claim import claim, holder
from amiforge.bake.journal import NAME, Journal, read
from amiforge.redaction import Redaction


class Claims:
    """Who works on the runs of a folder. Runs that are not there are somebody else's affair."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._held: set[str] = set()

    def taken(self, run: str) -> bool:
        """Tell whether a living process on this machine works on a run, other than by `hold`."""
        return run not in self._held and bool(holder(self._runs / run / "claim"))

    @contextmanager
    def hold(self, runs: Iterable[str]) -> Iterator[None]:
        """Keep everybody else here from working on some runs.

        Raises:
            RunBusy: somebody does.
        """
        with ExitStack() as stack:
            for run in runs:
                if (self._runs / run).is_dir():
                    stack.enter_context(claim(self._runs / run / "claim", f"run {run}", run))
                    self._held.add(run)
            yield
        self._held.clear()


def give_up(folder: Path) -> None:
    """Delete the private keys of a run that was collected, and end its journal, unless it has ended.

    Raises:
        ConfigError: its journal cannot be read or written.
    """
    for key in folder.glob("*.key"):
        key.unlink(missing_ok=True)
    if not (folder / NAME).exists():
        return
    *_, last = [{"kind": ""}, *read(folder / NAME)]
    if last["kind"] and (last["kind"], last.get("outcome")) not in {("ended", "baked"), ("ended", "failed")}:
        journal = Journal(folder / NAME, Redaction())
        journal.go_on(expires="")
        journal.write("failed", step="", error="given up: `amiforge gc` removed what it had made")
        journal.write("ended", outcome="failed")
