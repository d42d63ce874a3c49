"""The life of one instance: what the API asks of its machine, in order, and what the machine does by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Protocol

from moto.ec2.models.instances import Instance, StateReason

from amiforge.sandbox.api.befall import Befalling
from amiforge.sandbox.api.faults import Course, Faults, Pause, matches
from amiforge.sandbox.api.machines import Machine
from amiforge.sandbox.faults import FailedImage, FailedLaunch, Harm, LateState

_LOG = logging.getLogger(__name__)

#: Seconds between two looks at a machine that is left alone, for power-offs from inside.
_GLANCE = 0.2
#: Seconds a machine gets to shut down in order.
_SHUTDOWN = 60.0
#: Seconds that an order under way gets to finish when the sandbox ends.
_LEAVE = 5.0

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_BY_USER = "Client.UserInitiatedShutdown"
_BY_ITSELF = "Client.InstanceInitiatedShutdown"
_BROKEN = "Server.InternalError"
_TAKEN_BACK = "Server.SpotInstanceTermination"
_EXPLAINED = {
    _BY_USER: "User initiated shutdown",
    _BY_ITSELF: "Instance initiated shutdown",
    _BROKEN: "Internal error on launch",
    _TAKEN_BACK: "Spot instance termination",
}


class Copy(Protocol):
    """The image that a copy of a machine's file system becomes."""

    @property
    def id(self) -> str:
        """Its image id."""

    def pend(self, seconds: float) -> None:
        """The copy takes so long at least."""

    def settle(self, error: str) -> None:
        """The copy is finished; `error` is empty when it worked."""


class Household(Protocol):
    """What a life needs from the account it belongs to."""

    @property
    def lock(self) -> AbstractContextManager[object]:
        """The lock under which states change."""

    @property
    def faults(self) -> Faults:
        """What goes wrong, and how long states last."""

    def save(self) -> None:
        """An image is finished; the caller holds the lock."""

    def forget(self, life: Life) -> None:
        """An instance is terminated; the caller holds the lock."""


class Life:
    """One instance and its machine. Orders are carried out one after the other by a thread of its own.

    The instance's state is written only under the account's lock, first by the one who gives the order (`pending`,
    `stopping`, `shutting-down`), then by this thread. What takes long is done without the lock.
    """

    def __init__(
        self, instance: Instance, machine: Machine, layers: tuple[str, ...], address: str, account: Household
    ) -> None:
        self.instance = instance
        self.machine = machine
        self.layers = layers
        self.address = address
        self._has_run = False
        self._account = account
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._hurry = Event()
        self._over = Event()
        self._thread = Thread(target=self._live, name=instance.id, daemon=True)

    # Orders. The caller holds the account's lock.

    def start(self) -> None:
        """Boot the machine: `pending`, then `running`. Always the first order."""
        if not self._thread.ident:
            self._thread.start()
        self._enter("pending")
        failed = self._account.faults.take(FailedLaunch, self._fails_to_launch)
        if failed:
            self._orders.put(lambda: self._end_at_launch(failed[0]))
        else:
            pause = self._late("pending")
            self._orders.put(lambda: self._start(pause))

    def stop(self, *, force: bool = False) -> None:
        """Shut the machine down: `stopping`, then `stopped`."""
        self._enter("stopping", _BY_USER)
        pause = self._late("stopping")
        self._orders.put(lambda: self._stop(pause, force=force))

    def terminate(self, reason: str = _BY_USER) -> None:
        """Remove the machine: `shutting-down`, then `terminated`; a shutdown under way is cut short."""
        was_stopping = self.instance.state == "stopping"
        self._enter("shutting-down", reason)
        self._hurry.set()
        if was_stopping:
            self.machine.kill()
        self._orders.put(lambda: self._terminate(reason))

    def reboot(self) -> None:
        """Reboot the machine; the state stays `running`."""
        self._orders.put(self._reboot)

    def befall(self, harm: Harm, course: Course) -> None:
        """Let a harm befall the machine; of one that is to be launched, before it is started. Needs no lock."""
        Befalling(self.machine, harm, course, self._hurry, self._interrupt).start()

    def copy(self, image: Copy, *, reboot: bool) -> None:
        """Freeze the file system into an image; a running machine is shut down for it when `reboot` is set."""
        pause = self._late("image")
        failed = self._account.faults.take(FailedImage)
        image.pend(pause.seconds)
        self._orders.put(lambda: self._copy(image, pause, failed[0].reason if failed else "", reboot=reboot))

    def end(self) -> None:
        """Kill and remove the machine now, whatever it does. Once it was started, not to be called with the lock."""
        self._hurry.set()
        self._over.set()
        self._orders.put(self._watch)
        self.machine.kill()
        if self._thread.ident:
            # a source image that is being made for it takes its time, and ends with this process
            self._thread.join(_LEAVE)
        self.machine.remove()

    # What the thread does.

    def _live(self) -> None:
        while not self._over.is_set():
            try:
                order = self._orders.get(timeout=_GLANCE)
            except Empty:
                order = self._watch
            try:
                order()
            except Exception:  # noqa: BLE001 - a failed order must not end the instance's thread
                _LOG.exception("%s: an order failed", self.instance.id)

    def _late(self, state: LateState) -> Pause:
        return self._account.faults.late(state, self.instance.ec2_backend.region_name)

    def _watch(self) -> None:
        if self.machine.alive:
            return
        with self._account.lock:
            if self.instance.state != "running":
                return
            ends = self.instance.instance_initiated_shutdown_behavior == "terminate"
            self._enter("shutting-down" if ends else "stopping", _BY_ITSELF)
        if ends:
            self._terminate(_BY_ITSELF)
        else:
            self._rest(self._late("stopping"))

    def _interrupt(self) -> None:
        with self._account.lock:
            if self.instance.state in ("running", "pending"):
                self.terminate(_TAKEN_BACK)

    def _fails_to_launch(self, fault: FailedLaunch) -> bool:
        return not self._has_run and matches(fault.instance_type, self.instance.instance_type)

    def _end_at_launch(self, fault: FailedLaunch) -> None:
        self._terminate(fault.code, fault.message)

    def _start(self, pause: Pause) -> None:
        if self.instance.state != "pending":
            return
        error = self._boot()
        if not error:
            pause.wait(self._hurry)
            self._settle("pending", "running", "")
        elif self._has_run:
            self._settle("pending", "stopped", _BROKEN, error)
        else:
            self._terminate(_BROKEN, error)

    def _boot(self) -> str:
        """Boot the machine, and give the error there was."""
        try:
            self.machine.start()
        except Exception as failure:  # noqa: BLE001 - whatever it was, EC2 tells it as a state
            _LOG.exception("%s: its machine does not start", self.instance.id)
            return str(failure) or type(failure).__name__
        self._has_run = True
        return ""

    def _stop(self, pause: Pause, *, force: bool) -> None:
        if force:
            self.machine.kill()
        elif self.instance.state == "stopping":
            self.machine.stop(_SHUTDOWN)
        self._rest(pause)

    def _rest(self, pause: Pause) -> None:
        pause.wait(self._hurry)
        self._settle("stopping", "stopped")

    def _reboot(self) -> None:
        if self.instance.state == "running":
            self.machine.reboot()

    def _terminate(self, reason: str, error: str = "") -> None:
        self._hurry.set()
        self.machine.kill()
        self._late("shutting-down").wait(self._over)
        self.machine.remove()
        with self._account.lock:
            if self.instance.state != "terminated":
                self.instance.terminate()
                self.instance.nics[0].public_ip = None
                self._enter("terminated", reason, error)
            self._over.set()
            self._account.forget(self)

    def _copy(self, image: Copy, pause: Pause, failure: str, *, reboot: bool) -> None:
        off = reboot and self.machine.alive
        error = self._freeze(image.id, pause=off) or failure
        if off and self.instance.state == "running":
            self._boot()
        if pause.seconds:  # EC2 copies on its own: the instance may end meanwhile
            Thread(target=self._finish, args=(image, pause, error), daemon=True).start()
        else:
            self._finish(image, pause, error)

    def _finish(self, image: Copy, pause: Pause, error: str) -> None:
        pause.wait(Event())
        with self._account.lock:
            image.settle(error)
            self._account.save()

    def _freeze(self, image_id: str, *, pause: bool) -> str:
        """Copy the file system, and give the error there was."""
        try:
            if pause:
                self.machine.stop(_SHUTDOWN)
            self.machine.freeze(image_id)
        except Exception as failure:  # noqa: BLE001 - whatever it was, EC2 tells it as a state
            _LOG.exception("%s: no image %s of it", self.instance.id, image_id)
            return str(failure) or type(failure).__name__
        return ""

    def _settle(self, before: str, after: str, reason: str | None = None, error: str = "") -> None:
        with self._account.lock:
            if self.instance.state == before:
                self._enter(after, self.instance.state_reason.code if reason is None else reason, error)

    def _enter(self, state: str, reason: str = "", error: str = "") -> None:
        instance = self.instance
        instance.instance_state.name, instance.instance_state.code = state, STATES[state]
        message = ": ".join(part for part in (reason, _EXPLAINED.get(reason, ""), error) if part)
        instance.state_reason = StateReason(message, reason) if reason else StateReason()
        instance._reason = _transition(reason)  # noqa: SLF001 - moto has no public way


def _transition(reason: str) -> str:
    if reason != _BY_USER:
        return reason if reason.startswith("Server.") else ""
    return f"User initiated ({datetime.now(UTC):%Y-%m-%d %H:%M:%S} GMT)"
