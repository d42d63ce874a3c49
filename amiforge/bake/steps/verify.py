"""The step that decides whether the image is good: an instance of it is booted, and put through the gate."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.bake.gate.examination import Examination
from amiforge.bake.gate.metadata import metadata
from amiforge.bake.gate.statements import Origin
from amiforge.bake.run import Run, expiry
from amiforge.bake.state import Refused
from amiforge.bake.step import Step
from amiforge.bake.steps.builder import looking_after
from amiforge.bake.steps.instance import OVER, end_all, start, survivor
from amiforge.ec2.access import planned_way
from amiforge.ec2.image import keep
from amiforge.ec2.instances import FROM_INSIDE, Instance, instances, terminate, wait_running
from amiforge.ec2.key_pair import import_key
from amiforge.ec2.resolve import resolve
from amiforge.ec2.verdict import mark_failed, mark_unverified
from amiforge.errors import AmiforgeError, CheckFailed, HostError, LaunchFailed, Parked, RebootError, TaskError

_ROLE = "verify"
_DAY = 86400.0


class Verify(Step):
    """Boot a fresh instance of the image, with another key, and put it through the gate."""

    title = "verify image"
    cost = 2

    def find(self, run: Run) -> bool:
        """Once is enough, whatever came of it.

        Raises:
            CheckFailed: it did not pass before.
        """
        if run.state.refused:
            raise _kept(run, run.state.refused, CheckFailed(f"image {run.image.id} did not pass the gate"))
        return bool(run.state.verification)

    def do(self, run: Run) -> str:
        """Launch, log in, examine, reboot, examine again.

        Raises:
            Parked: there is no room for the instance, or it was taken away, which says nothing about the image.
            CheckFailed: something is not as it should be.
            HostError, TaskError, RebootError: the instance does not boot, or cannot be asked.
        """
        if not run.settings.verify:
            keep(run.clients, run.image, "unverified")
            run.note(keep_image=True, verification="skipped")
            return f"{run.image.id} is unverified: nobody has booted it"
        try:
            instance = self._instance(run)
        except LaunchFailed as error:
            raise _unproven(run, error.message, **error.lines) from None
        try:
            self._examine(run, instance)
        except (TaskError, RebootError, HostError) as error:
            if excuse := _excuse(run, instance):
                raise _unproven(run, excuse, reason=error.message) from None
            raise _refuse(run, error) from None
        keep(run.clients, run.image, "verified")
        run.note(keep_image=True, verification="passed")
        return run.image.id

    def undo(self, run: Run) -> Iterator[str]:
        """Terminate the instance."""
        return end_all(run, _ROLE, self.title)

    def _examine(self, run: Run, instance: Instance) -> None:
        key, host_key = run.keys(_ROLE)
        login = run.log_in(instance, key, host_key, _ROLE)
        examination = Examination(run, run.image.id, login, instance, _origin(run))
        with looking_after(run, login):
            examination.hold(*metadata(run))
            examination.carry_out()

    def _instance(self, run: Run) -> Instance:
        """Give the instance that an earlier process launched, if it runs, else a new one."""
        there = survivor(run, _ROLE, self.title)
        if there and there.state in {"pending", "running"}:
            return wait_running(run.clients, there.id, run.settings.launch_deadline)
        list(terminate(run.clients, run.tags, _ROLE))
        key, _ = run.keys(_ROLE)
        image = resolve(run.clients, run.recipe.with_options("source", ami=run.image.id).source)
        return start(
            run, _ROLE, image, import_key(run.clients, run.tags, _ROLE, key), self.title, run.settings.verify_types
        )


def _origin(run: Run) -> Origin:
    key, host_key = run.keys("builder")
    return Origin(
        run.builder.private_address, run.condition, run.state.portrait, key.private, (key.blob, host_key.blob)
    )


def _excuse(run: Run, instance: Instance) -> str:
    """Say why an instance that could not be asked may be so without the image's fault; empty when it is that."""
    now = next((each for each in instances(run.clients, run.tags, _ROLE) if each.id == instance.id), None)
    if now and now.state in OVER and not now.reason.startswith(FROM_INSIDE):
        return f"instance {now.id} was taken away: {now.reason or now.state}"
    try:
        run.means.check_jumps(planned_way(run.recipe.builder))
    except AmiforgeError as error:
        return error.message
    return ""


def _unproven(run: Run, why: str, **lines: str) -> Parked:
    """Say on the image that it is not proven, and give the error that parks the run."""
    mark_unverified(run.clients, run.image, why, expiry(run.settings.failed_days * _DAY))
    return Parked(f"image {run.image.id} is there, and could not be verified: {why}", **lines)


def _refuse(run: Run, error: AmiforgeError) -> AmiforgeError:
    """Say on the image that it did not pass, keep it for a while, and give the error that says so."""
    reason = _reason(error)
    until = expiry(run.settings.failed_days * _DAY)
    mark_failed(run.clients, run.image, reason, until)
    refused = Refused(reason=reason, kept_until=until)
    run.note(keep_image=True, refused=refused)
    return _kept(run, refused, error)


def _reason(error: AmiforgeError) -> str:
    """Give why in a sentence."""
    failed = error.lines.get("failed", "").splitlines()
    return "; ".join(failed) or error.message


def _kept(run: Run, refused: Refused, error: AmiforgeError) -> AmiforgeError:
    run.login = ""  # the instance goes; `amiforge debug` gives another one
    return error.add(
        reason="" if "failed" in error.lines else refused.reason,
        image=f"{run.image.id}, private, its tag amiforge:state is failed",
        kept_until=refused.kept_until,
        look_at_it=f"amiforge debug {run.image.id}",
    )
