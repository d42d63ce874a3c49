"""Work in several regions at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from threading import Event
from typing import TypeVar

from amiforge.ec2.poll import Pace
from amiforge.ec2.refusal import kind
from amiforge.ec2.session import Clients
from amiforge.errors import AmiforgeError, AwsRefused, BakeError, Parked, PublishIncomplete

T = TypeVar("T")

#: Seconds after which whoever sleeps looks whether there is any need to go on.
_NAP = 0.5


def open_regions(home: Clients, names: Iterable[str], open_in: Callable[[str], Clients]) -> Mapping[str, Clients]:
    """Open the clients of every region named, one after the other: opening is nothing for threads."""
    return {name: home if name == home.region else open_in(name) for name in names}


def side_by_side(regions: Mapping[str, Clients], work: Callable[[Clients], T]) -> dict[str, T | AmiforgeError]:
    """Do the same in every region at once, to its end, and give what came of it: a value, or the error.

    When somebody interrupts, whoever waits for EC2 stops waiting.
    """
    stop = Event()

    def attempt(clients: Clients) -> T | AmiforgeError:
        try:
            return work(replace(clients, pace=_stoppable(clients, stop)))
        except AmiforgeError as error:
            return error

    with ThreadPoolExecutor(len(regions)) as pool:
        running = {name: pool.submit(attempt, clients) for name, clients in regions.items()}
        try:
            wait(running.values())
        except BaseException:
            stop.set()
            raise
    return {name: future.result() for name, future in running.items()}


def everywhere(regions: Mapping[str, Clients], what: str, work: Callable[[Clients], T]) -> dict[str, T]:
    """Do the same in every region at once; what fails in one of them does not keep the others from their end.

    Args:
        regions: where.
        what: is done, for people: `copying ami-…`.
        work: what is done.

    Raises:
        Parked: EC2 needs longer in some region, and nothing is wrong in another.
        AwsRefused: the credentials count no more.
        PublishIncomplete: it failed in some region; says why, and where it is done.
    """
    came = side_by_side(regions, work)
    if failed := {name: result for name, result in came.items() if isinstance(result, AmiforgeError)}:
        raise _failure(what, failed, [name for name in came if name not in failed])
    return {name: result for name, result in came.items() if not isinstance(result, AmiforgeError)}


def _failure(what: str, failed: Mapping[str, AmiforgeError], done: Iterable[str]) -> BakeError:
    for error in failed.values():
        if isinstance(error, AwsRefused) and kind(error) == "credentials":
            return error
    reasons = "\n".join(f"{name}: {_reason(error)}" for name, error in failed.items())
    late = all(isinstance(error, Parked) for error in failed.values())
    if late:
        return Parked(f"{what} takes longer in {', '.join(failed)}", waits=reasons, done=", ".join(done))
    fix = next((error.lines["fix"] for error in failed.values() if "fix" in error.lines), "")
    message = f"{what} failed in {', '.join(failed)}"
    return PublishIncomplete(message, reason=reasons, done=", ".join(done) or "nowhere", fix=fix)


def _reason(error: AmiforgeError) -> str:
    details = (error.lines.get(line, "") for line in ("code", "reason", "state"))
    return ": ".join(filter(None, (error.message, *details)))


def _stoppable(clients: Clients, stop: Event) -> Pace:
    pace = clients.pace

    def sleep(seconds: float) -> None:
        left = seconds
        while left > 0 and not stop.is_set():
            pace.sleep(min(left, _NAP))
            left -= _NAP
        if stop.is_set():
            raise Parked("interrupted")

    def on_wait(what: str, seconds: float, detail: str) -> None:
        pace.on_wait(f"{what} in {clients.region}", seconds, detail)

    return replace(pace, sleep=sleep, on_wait=on_wait)
