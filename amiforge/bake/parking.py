"""Leaving what a run made where it is: parked, because EC2 needs longer, or kept, for people to look at."""

from __future__ import annotations

from contextlib import suppress

from amiforge.bake.dead_man import renew
from amiforge.bake.run import Run, expiry
from amiforge.ec2.instances import on_shutdown
from amiforge.ec2.refusal import code, kind
from amiforge.ec2.tags import prolong
from amiforge.errors import AmiforgeError, AwsRefused, Parked

#: There is no way to AWS at all, so that nothing could be removed either. Other trouble with the link passes.
_NO_WAY = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"}
_DAY = 86400.0


def parked(error: BaseException) -> Parked | None:
    """Tell whether an error is a reason to wait rather than to give up."""
    if isinstance(error, Parked):
        return error
    if not isinstance(error, AwsRefused):
        return None
    if kind(error) == "credentials":
        return Parked(f"the credentials count no more: {error.message}", **error.lines)
    if code(error) in _NO_WAY:
        return Parked(f"AWS cannot be reached: {error.message}", **error.lines)
    return None


def park(run: Run, waits: Parked) -> None:
    """Leave everything as it is, for longer than it was meant to be, and say how to go on."""
    run.watch.close()
    # An image is hours of work, and room for the instance that proves it may take days to come.
    image = run.settings.failed_days * _DAY if run.state.image else 0
    _prolong(run, max(run.settings.lifetime, image))
    run.journal.write("ended", outcome="parked", reason=waits.message)
    waits.add(resume=f"amiforge resume {run.id}", remove=f"amiforge gc --run {run.id} --delete")


def keep(run: Run) -> None:
    """Leave the builder of a failed bake to people, for as long as a bake may take; then it ends itself."""
    run.watch.close()
    # While it is being wiped, a power-off means that it is proven clean, and nothing else may cause one.
    if not run.state.cleaning:
        with suppress(AmiforgeError):
            on_shutdown(run.clients, run.builder.id, "terminate")
            renew(run.host, run.settings.lifetime)
    _prolong(run, run.settings.lifetime)
    run.journal.write("ended", outcome="kept", log_in=run.login)


def _prolong(run: Run, seconds: float) -> None:
    with suppress(AwsRefused):
        prolong(run.clients, run.tags, expiry(seconds))
