"""The step that decides whether the image is good: an instance of it is booted and looked at."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.identity import check_identity
from amiforge.bake.reach import reach
from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.bake.steps.builder import looking_after
from amiforge.bake.steps.instance import end_all, start, survivor
from amiforge.ec2.image import keep
from amiforge.ec2.instances import Instance, terminate, wait_running
from amiforge.ec2.key_pair import import_key
from amiforge.ec2.resolve import resolve
from amiforge.errors import LaunchFailed

_ROLE = "verify"


class Verify(Step):
    """Boot a fresh instance of the image, with another key, and put every check to it."""

    title = "verify image"
    cost = 2

    def find(self, run: Run) -> bool:
        """Once is enough."""
        return bool(run.state.verification)

    def do(self, run: Run) -> str:
        """Launch, log in, check."""
        outcome, said = "passed", run.image.id
        if not run.settings.verify:
            outcome = said = "skipped"
        else:
            try:
                self._check(run)
            except LaunchFailed as error:
                # A lack of room elsewhere says nothing against the image, which may have taken hours.
                outcome, said = "unverified", f"not verified: {error.message}"
        keep(run.clients, run.image, "verified" if outcome == "passed" else "unverified")
        run.note(keep_image=True, verification=outcome)
        return said

    def undo(self, run: Run) -> Iterator[str]:
        """Terminate the instance."""
        return end_all(run, _ROLE, self.title)

    def _check(self, run: Run) -> None:
        key, host_key = run.keys(_ROLE)
        instance = self._instance(run)
        login = run.log_in(instance, key, host_key, _ROLE)
        host, condition = reach(run, login, instance.id)
        try:
            with looking_after(run, login):
                check_identity(run, login, condition)
                run.means.verify(host, run.recipe, run.listener)
        finally:
            host.close()

    def _instance(self, run: Run) -> Instance:
        """Give the instance that an earlier process launched, if it runs, else a new one."""
        there = survivor(run, _ROLE, self.title)
        if there and there.state in {"pending", "running"}:
            return wait_running(run.clients, there.id, run.settings.launch_deadline)
        list(terminate(run.clients, run.tags, _ROLE))
        key, _ = run.keys(_ROLE)
        image = resolve(run.clients, run.recipe.with_options("source", ami=run.image.id).source)
        return start(run, _ROLE, image, import_key(run.clients, run.tags, _ROLE, key), self.title)
