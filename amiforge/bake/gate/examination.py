"""Putting every statement, and the recipe's checks, to an instance of an image: after its first boot, and the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from amiforge.bake.gate.portrait import portrait
from amiforge.bake.gate.statements import Origin, Sight, Statement, boot, identity, second_boot
from amiforge.bake.gate.traces import holders, wiped
from amiforge.bake.login import Login
from amiforge.bake.reach import reach
from amiforge.bake.readiness import Condition
from amiforge.bake.run import Run
from amiforge.ec2.instances import Instance, console
from amiforge.engine.events import CheckFinished, Event, Listener, RebootFinished, RebootStarted
from amiforge.engine.link import REBOOT
from amiforge.errors import (
    AuthRefused,
    CheckFailed,
    CommandFailed,
    ConnectionLost,
    HostError,
    NotComingBack,
    NotGoingDown,
    RebootError,
    TaskError,
)
from amiforge.host.base import Host
from amiforge.recipes.recipe import Recipe
from amiforge.shell import Secret

TASK = "gate"
_BOOT = "cat /proc/sys/kernel/random/boot_id && uname -r\n"
#: Seconds between two looks whether it has rebooted.
_PAUSE = 0.3
#: Times that a look at the instance may be cut off by a link that dies, which says nothing about the image.
_TRIES = 3


class Examination:
    """One instance of an image under examination.

    Args:
        run: the run that examines.
        image_id: the image.
        login: the way into the instance.
        instance: which.
        origin: the builder that the image was made of, if it is known.
        ours: a bake made the image, so it was wiped.
    """

    def __init__(  # noqa: PLR0913 - as it says
        self,
        run: Run,
        image_id: str,
        login: Login,
        instance: Instance,
        origin: Origin | None = None,
        *,
        ours: bool = True,
    ) -> None:
        self._run = run
        self._image_id = image_id
        self._login = login
        self._instance = instance
        self._origin = origin
        self._ours = ours
        self._failed: list[str] = []
        self._prefix = ""

    def hold(self, *statements: Statement) -> None:
        """Tell of statements about the image, and remember those that are false."""
        for each in statements:
            title, detail = f"{self._prefix}{each.title}", each.wrong or each.unasked
            self._run.listener(CheckFinished(task=TASK, title=title, outcome=each.outcome, detail=detail))
            if each.wrong:
                self._failed.append(f"{title}: {each.wrong}")

    def carry_out(self) -> None:
        """Examine the instance, reboot it, and examine what may be another way then.

        Raises:
            CheckFailed: some of it is not as it should be; names everything of that boot.
            HostError, TaskError, RebootError: it does not boot, or cannot be asked; says why.
        """
        first = self._whole_look(None)
        self._reboot(first.condition)
        self._prefix = "after a reboot: "
        self._whole_look(first)

    def _whole_look(self, first: Sight | None) -> Sight:
        known = len(self._failed)
        for tries_left in reversed(range(_TRIES)):
            try:
                return self._look(first)
            except ConnectionLost:
                if not tries_left:
                    raise
                del self._failed[known:]
        raise AssertionError("unreachable")

    def _look(self, first: Sight | None) -> Sight:
        host, condition = self._reach()
        try:
            timeout = self._run.settings.reach_deadline
            sight = Sight(self._instance.private_address, condition, portrait(host, timeout))
            self.hold(*self._statements(host, sight, first, timeout))
            self._check(host)
        finally:
            host.close()
        if self._failed:
            raise CheckFailed(f"image {self._image_id} did not pass the gate", failed="\n".join(self._failed))
        return sight

    def _statements(self, host: Host, sight: Sight, first: Sight | None, timeout: float) -> Iterator[Statement]:
        origin = self._origin
        yield from boot(sight, origin)
        if first:
            yield from second_boot(sight, first)
        if origin and not first:
            yield from identity(sight, origin)
        if origin:
            yield holders(host, origin.blobs, timeout)
            yield self._refused(origin.key)
        if self._ours:
            yield wiped(host, timeout)

    def _reach(self) -> tuple[Host, Condition]:
        started, title = time.monotonic(), f"{self._prefix}it boots and lets us in"
        try:
            found = reach(self._run, self._login, self._instance.id)
        except (HostError, TaskError) as error:
            if isinstance(error, CommandFailed):
                title = f"{self._prefix}cloud-init ended without errors"
            self._run.listener(CheckFinished(task=TASK, title=title, outcome="failed", detail=error.message))
            raise
        seconds = time.monotonic() - started
        self._run.listener(CheckFinished(task=TASK, title=title, outcome="passed", seconds=seconds))
        return found

    def _refused(self, key: Secret) -> Statement:
        host = self._run.means.connect(replace(self._login, key=key))
        try:
            host.connect()
        except AuthRefused:
            return Statement("the builder's key is refused")
        finally:
            host.close()
        return Statement("the builder's key is refused", "it logs in")

    def _check(self, host: Host) -> None:
        """Put the recipe's checks to it; what they find wrong is remembered with the rest."""

        def listener(event: Event) -> None:
            if isinstance(event, CheckFinished):
                event = replace(event, title=f"{self._prefix}{event.title}")
            self._run.listener(event)

        for checks in (self._run.means.verify, self._own):
            try:
                checks(host, self._run.recipe, listener)
            except CheckFailed as error:
                said = error.lines.get("failed", error.message)
                self._failed += [f"{self._prefix}{line}" for line in said.splitlines()]

    def _own(self, host: Host, recipe: Recipe, listener: Listener) -> None:
        """Put the user's checks to it, if there are any."""
        if self._run.settings.checks:
            from amiforge.verify.own import own_checks  # noqa: PLC0415 - brings pytest

            own_checks(host, recipe, self._run.settings.checks, listener)

    def _reboot(self, before: Condition) -> None:
        """Reboot it, and wait until it has another boot id."""
        started = time.monotonic()
        self._run.listener(RebootStarted(host=self._login.address, reason="an image must boot more than once"))
        host = self._run.means.connect(self._login)
        try:
            with suppress(ConnectionLost):
                host.connect()
                host.run(REBOOT)
            host.close()
            kernel = self._await_boot(host, before.boot_id, started)
        except (HostError, RebootError) as error:
            self.hold(Statement("it reboots", error.message))
            raise error.add(console=console(self._run.clients, self._instance.id)) from None
        finally:
            host.close()
        seconds = time.monotonic() - started
        self._run.listener(RebootFinished(host=self._login.address, seconds=seconds, kernel=kernel))

    def _await_boot(self, host: Host, before: str, started: float) -> str:
        """Give the kernel that runs once the boot id is another one.

        Raises:
            NotGoingDown: it stays the same.
            NotComingBack: nobody answers any more.
        """
        last = ""
        while (waited := time.monotonic() - started) < self._run.settings.reach_deadline:
            try:
                host.connect()
                boot_id, _, kernel = host.run(_BOOT).stdout.decode("utf-8", "replace").partition("\n")
                if boot_id != before:
                    return kernel.strip()
                if waited > self._run.engine.going_down:
                    raise NotGoingDown(f"{host.address} has not gone down {waited:.0f} s after it was told to")
            except HostError as error:
                last = error.message
            host.close()
            time.sleep(_PAUSE)
        raise NotComingBack(f"{host.address} is not back {waited:.0f} s after the reboot", last=last)
