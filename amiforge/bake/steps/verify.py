"""The step that decides whether the image is good: an instance of it is booted and looked at."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.identity import check_identity
from amiforge.bake.reach import reach
from amiforge.bake.run import Run
from amiforge.bake.step import Step
from amiforge.ec2.capacity import candidates
from amiforge.ec2.image import mark
from amiforge.ec2.instances import terminate
from amiforge.ec2.key_pair import KeyPair, import_key
from amiforge.ec2.launch import Order, launch
from amiforge.ec2.resolve import resolve
from amiforge.ec2.user_data import pin_host_key
from amiforge.errors import LaunchFailed

_ROLE = "verify"


class Verify(Step):
    """Boot a fresh instance of the image, with another key, and put every check to it."""

    title = "verify image"
    cost = 2

    def do(self, run: Run) -> str:
        """Launch, log in, check."""
        if not run.settings.verify:
            run.keep_image = True
            return "skipped"
        try:
            self._check(run)
        except LaunchFailed as error:
            # A lack of room elsewhere says nothing against the image, which may have taken hours.
            run.keep_image, run.verification = True, "unverified"
            return f"not verified: {error.message}"
        mark(run.clients, run.image, "verified")
        run.keep_image, run.verification = True, "passed"
        return run.image.id

    def undo(self, run: Run) -> Iterator[str]:
        """Terminate the instance."""
        return terminate(run.clients, run.tags, _ROLE)

    def _check(self, run: Run) -> None:
        key, host_key = (KeyPair.new(f"amiforge-{run.id}-{purpose}") for purpose in (_ROLE, "verify-host"))
        recipe = run.recipe.with_options("source", ami=run.image.id)
        image = resolve(run.clients, recipe.source)
        name = import_key(run.clients, run.tags, _ROLE, key)
        order = Order(_ROLE, image, recipe.builder, name, run.group, pin_host_key(host_key), run.tags)
        places = candidates(recipe.builder.instance_types, run.subnets)
        instance = launch(run.clients, order, places, run.settings.launch_deadline)
        login = run.log_in(instance, key, host_key, _ROLE)
        host, condition = reach(run, login, instance.id)
        try:
            check_identity(run, login, condition)
            run.means.verify(host, run.recipe, run.listener)
        finally:
            host.close()
