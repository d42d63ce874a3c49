"""The walk over a host's resources: each is made as wanted at its turn, and read again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count, groupby

from amiforge.engine.batch import put
from amiforge.engine.events import (
    ApplyStarted,
    ChangeStarted,
    DownloadStarted,
    Listener,
    ResourceFinished,
    Status,
    TaskFinished,
    TaskStarted,
    Waiting,
)
from amiforge.engine.failure import explain
from amiforge.engine.frame import Part
from amiforge.engine.frame import change as change_part
from amiforge.engine.job import Job, job_id
from amiforge.engine.link import Link
from amiforge.engine.locks import lost_race
from amiforge.engine.plan import Component, Item, Planned, assess, lay_out, queries
from amiforge.engine.query import Replies
from amiforge.engine.resource import Change
from amiforge.engine.room import look_for_room
from amiforge.errors import AmiforgeError, CommandFailed, ConnectionLost, HostError, NoSpace, NotConverged, TaskError
from amiforge.redaction import Redaction, secrets_in

#: Seconds between two tries for a package manager's lock.
_RACE_PAUSE = 2.0
#: Links that may die under quick commands in one walk.
_MOST_LOST_LINKS = 5


@dataclass(frozen=True, slots=True)
class Result:
    """How one resource ended."""

    task: str
    resource: str
    status: Status
    seconds: float


class Walk:
    """The walk over all resources, begun anew after each reboot.

    `redaction` learns every secret that is met on the way. `results` hold how each resource ended, by task and
    resource; one changed before a reboot stays `changed`.
    """

    def __init__(self, link: Link, components: Sequence[Component], listener: Listener, redaction: Redaction) -> None:
        self.link = link
        self.components = components
        self.listener = listener
        self.redaction = redaction
        self.results: dict[tuple[str, str], Result] = {}
        self.reboots: list[str] = []
        self.items: tuple[Item, ...] = ()
        self.replies = Replies({})
        self.stale: set[int] = set()
        self.begun: dict[int, Planned] = {}
        self.lost_links = 0

    def go(self) -> str:
        """Make every resource as wanted, in order. Gives the reason when the host must reboot before going on."""
        system = self.link.system
        self.items = lay_out(self.components, system)
        self.redaction.learn(*secrets_in([item.resource for item in self.items]))
        self.stale = set(range(len(self.items)))
        self.listener(
            ApplyStarted(
                host=self.link.host.address,
                system=f"{system.os.name} {system.arch}, kernel {system.kernel}",
                tasks=tuple(component.name() for component in self.components),
                resources=len(self.items),
            )
        )
        self._refresh(0)
        self._prefetch()
        for task, group in groupby(enumerate(self.items), key=lambda pair: pair[1].task):
            started = time.monotonic()
            self.listener(TaskStarted(task=task))
            places = [index for index, _ in group]
            for index in places:
                if reason := self._see_to(index):
                    return reason
            changed = sum(self.results[self._key(index)].status != "ok" for index in places)
            self.listener(TaskFinished(task=task, seconds=time.monotonic() - started, changed=changed))
        return ""

    def _see_to(self, index: int) -> str:
        """Make one resource as wanted, over a new link where one dies under a quick command.

        What that did is open then, so only what can be asked is done again.
        """
        try:
            return self._make_true(index)
        except ConnectionLost as lost:
            self.lost_links += 1
            if self.lost_links > _MOST_LOST_LINKS or not self.items[index].resource.provable:
                raise
            self._reconnect(lost, index)
            return self._see_to(index)

    def _reconnect(self, lost: ConnectionLost, index: int) -> None:
        started = time.monotonic()
        if not (planned := assess(self.items[index], self.replies, self.link.system)).as_wanted:
            self.begun[index] = planned  # what makes it a change of ours when it is found done
        try:
            self.link.reconnect(lost)
        except AmiforgeError as error:
            raise self._in_context(error, index, time.monotonic() - started) from lost
        self.stale.update(range(index, len(self.items)))

    def _make_true(self, index: int) -> str:
        """Make one resource as wanted. Gives the reason when that takes a reboot."""
        if not self.items[index].resource.provable and self._key(index) in self.results:
            return ""
        if index in self.stale:
            self._refresh(index)
        planned = assess(self.items[index], self.replies, self.link.system)
        begun = self.begun.pop(index, None)
        if planned.as_wanted and begun is None:
            self._finished(index, "ok")
            return ""
        if planned.as_wanted and begun:
            # What was started ahead is done already. It still has to be heard, and counts as the change it is.
            planned = replace(begun, changes=tuple(change for change in begun.changes if change.prefetch))
        started = time.monotonic()
        try:
            if reason := next((change.summary for change in planned.changes if change.reboot), ""):
                return self._reboot_once(reason)
            self._converge(index, planned)
        except AmiforgeError as error:
            raise self._in_context(error, index, time.monotonic() - started) from error.__cause__
        status: Status = "changed" if planned.item.resource.provable else "ran"
        self._finished(index, status, time.monotonic() - started, planned)
        return ""

    def _converge(self, index: int, planned: Planned) -> None:
        """Run a resource's changes, ask again, and insist that nothing differs any more."""
        if planned.unknown:
            raise NotConverged(f"{planned.item.resource.name}: {planned.unknown}", fix="put what it needs before it")
        jobs: list[Job] = []
        parts: list[Change] = []
        self.redaction.learn(*secrets_in([change.command for change in planned.changes]))
        for change in planned.changes:
            self.listener(
                ChangeStarted(
                    task=planned.item.task,
                    resource=planned.item.resource.name,
                    summary=change.summary,
                    command=str(change.command),
                )
            )
            if change.job:
                self._run(parts, ())
                parts = []
                jobs.append(self._see_through(change, planned.item))
            else:
                parts.append(change)
        self._outdate(index)
        self._run(parts, [index, *self._worth_asking(index)], jobs)
        if planned.item.resource.provable:
            self._insist(index)

    def _see_through(self, change: Change, item: Item) -> Job:
        """Run a change as a job; a lost race for a package manager's lock is run again until lock_wait is over."""
        started = time.monotonic()
        for attempt in count():
            job = self._job(change, item, attempt)
            try:
                self.link.finish(job, item)
            except TaskError as error:
                waited = time.monotonic() - started
                lost = type(error) is CommandFailed and lost_race(error.lines.get("output", ""))
                if not lost or waited > self.link.settings.lock_wait:
                    raise
                self.listener(Waiting(what="a package manager's lock", seconds=waited, detail=error.message))
                time.sleep(_RACE_PAUSE)
            else:
                break
        return job

    def _insist(self, index: int) -> None:
        again = assess(self.items[index], self.replies, self.link.system)
        if again.as_wanted:
            return
        state = "\n".join(
            f"{difference.key}: wanted {difference.desired!r}, still {difference.actual!r}"
            for difference in again.differences
        )
        raise NotConverged(
            f"{self.items[index].resource.name}: the command succeeded, and the host is still not as wanted",
            ran="\n".join(str(change.command) for change in again.changes),
            state=state or again.unknown,
        )

    def _run(self, changes: Sequence[Change], places: Sequence[int], jobs: Sequence[Job] = ()) -> None:
        """Run quick changes, then ask again about the resources at these places, all in one session."""
        if not changes and not places:
            return
        wanted = queries([self.items[place] for place in places], self.link.system)
        tidy = [Part(job.forget()) for job in jobs]
        before = [*tidy, *(change_part(change.command) for change in changes)]
        answers, replies = put(self.link.host, wanted, self.link.settings.query_timeout, before)
        for change, answer in zip(changes, answers[len(tidy) :], strict=False):
            output = (answer.stdout + answer.stderr).decode("utf-8", "replace")
            if answer.status:
                raise explain(change, answer.status, output)
        self.replies = self.replies.updated(replies)
        self.stale.difference_update(places)

    def _refresh(self, index: int) -> None:
        """Ask again about everything stale from a place on, in one session."""
        places = [place for place in sorted(self.stale) if place >= index]
        self._run((), places)

    def _outdate(self, index: int) -> None:
        """Mark what the change of a resource may have touched: whatever is not, as itself, confined to one path."""
        contained = self.items[index].resource.contained
        later = range(index + 1, len(self.items))
        self.stale.update(place for place in later if not (contained and self.items[place].resource.contained))

    def _worth_asking(self, index: int) -> list[int]:
        """Give the places to ask about along with a changed one: what is stale and quickly answered.

        Nothing while the next one is not stale: more may be outdated before anybody needs to know.
        """
        if index + 1 not in self.stale:
            return []
        return sorted(place for place in self.stale if place > index and not self._slow(place))

    def _slow(self, index: int) -> bool:
        """Tell whether a resource's queries take their time."""
        resource = self.items[index].resource
        return resource.provable and any(query.kind.slow for query in resource.queries(self.link.system))

    def _prefetch(self) -> None:
        """Start all downloads that will be wanted; each is waited for at its turn."""
        self.begun = {}
        for index, item in enumerate(self.items):
            planned = assess(item, self.replies, self.link.system)
            self.redaction.learn(*secrets_in([change.command for change in planned.changes]))
            for change in planned.changes:
                if change.prefetch:
                    self.listener(DownloadStarted(task=item.task, resource=item.resource.name, summary=change.summary))
                    self.link.start(self._job(change, item))
                    self.begun[index] = planned

    def _job(self, change: Change, item: Item, attempt: int = 0) -> Job:
        """Give the job of a change. It has one id in a run, so that whoever comes to it later finds it started."""
        command = (change.command.script, *map(str, change.command.args))  # secrets masked: the id names a unit
        place = (self.link.jobs_of, item.task, item.resource.name, change.summary)
        return Job(job_id(*place, *command, str(attempt)), change, self.link.settings.lock_wait)

    def _reboot_once(self, reason: str) -> str:
        if reason in self.reboots:
            raise NotConverged(f"the host still needs a reboot after one: {reason}", fix="see why on the host itself")
        self.reboots.append(reason)
        return reason

    def _key(self, index: int) -> tuple[str, str]:
        item = self.items[index]
        return item.task, item.resource.name

    def _finished(self, index: int, status: Status, seconds: float = 0.0, planned: Planned | None = None) -> None:
        key = self._key(index)
        before = self.results.get(key)
        kept = before if before and before.status != "ok" and status == "ok" else None
        self.results[key] = kept or Result(*key, status, seconds)
        differences = planned.differences if planned else ()
        self.listener(
            ResourceFinished(
                task=key[0],
                resource=key[1],
                status=status,
                seconds=seconds,
                differences={d.key: (str(d.actual), str(d.desired)) for d in differences},
            )
        )

    def _in_context(self, error: AmiforgeError, index: int, seconds: float) -> AmiforgeError:
        item = self.items[index]
        tasks = [component.name() for component in self.components]
        place = f"{tasks.index(item.task) + 1} of {len(tasks)}"
        if isinstance(error, NoSpace):
            with suppress(HostError):
                error.add(room=look_for_room(self.link.host, f"{item.resource.name} {error.block()}"))
        return error.add(
            where=f"{item.where}  {item.resource.name}",
            task=f"{item.task}, {place}, on {self.link.host.address}, after {seconds:.1f} s",
        )
