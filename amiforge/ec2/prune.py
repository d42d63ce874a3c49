"""Taking away images that retention lets go: all copies of one at a time, each looked at again right before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from amiforge.ec2.catalogue import Ami, Entry, Search, group, read
from amiforge.ec2.refusal import code
from amiforge.ec2.retention import Decision, Policy, decide, doomed
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import DISABLED, EXPIRES, STATE
from amiforge.errors import AwsRefused

#: EC2 takes no time of deprecation that has passed, and rounds to minutes. Source: EnableImageDeprecation.
_SOON = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an image.

    Attributes:
        decision: what was decided when it was looked at again.
        done: the copies that were removed or disabled.
        refused: what EC2 said no to, in words.
    """

    decision: Decision
    done: tuple[Ami, ...] = ()
    refused: tuple[str, ...] = ()


def prune(
    regions: Sequence[Clients], decisions: Sequence[Decision], policy: Policy, path: str = ""
) -> Iterator[Outcome]:
    """Disable or remove every image that is to go, superseded ones first, and tell of each what became of it.

    Right before, it is looked up again who uses an image; if that keeps it now, it stays. A refusal keeps nothing else.

    Args:
        regions: where copies are looked for.
        decisions: about all images that count.
        policy: what was decided by.
        path: below which SSM parameters point to images.
    """
    clients = {each.region: each for each in regions}
    entries = [decision.entry for decision in decisions]
    for decision in doomed(decisions):
        fresh = _again(regions, decision.entry, path)
        if fresh is None:
            continue
        others = [entry for entry in entries if entry.id != fresh.id]
        now = decide([fresh, *others], policy)[0]
        # What is harsher than what people were shown is not done.
        yield _carry_out(clients, now) if now.action == decision.action else Outcome(replace(now, action="keep"))


def _again(regions: Sequence[Clients], entry: Entry, path: str) -> Entry | None:
    """Look an image up again, as it is now; None when it is gone."""
    there = [clients for clients in regions if clients.region in entry.regions]
    found = read(there, Search(ids=tuple(ami.id for ami in entry.amis), path=path))
    known = {ami.id for each in found.entries for ami in each.amis}
    unseen = [replace(ami, doubts=found.problems) for ami in entry.amis if ami.id not in known and found.problems]
    return next(iter(group([*(ami for each in found.entries for ami in each.amis), *unseen])), None)


def _carry_out(clients: Mapping[str, Clients], decision: Decision) -> Outcome:
    act = disable if decision.action == "disable" else remove
    done, refused = [], []
    # What copies were made of goes last: as long as anything is left, it is found by the same name.
    for ami in reversed(decision.entry.amis):
        try:
            act(clients[ami.region], ami)
        except AwsRefused as error:
            refused.append(f"{ami.region} {ami.id}: {error.message}")
        else:
            done.append(ami)
    return Outcome(decision, tuple(done), tuple(refused))


def disable(clients: Clients, ami: Ami) -> None:
    """Deprecate an image and make it unusable; `EnableImage` makes that good again, but for whom it was shared with.

    Raises:
        AwsRefused: EC2 says no.
    """
    now = datetime.now(UTC)
    if ami.deprecated is None or ami.deprecated > now + _SOON:
        clients.ec2.enable_image_deprecation(ImageId=ami.id, DeprecateAt=now + _SOON)
    clients.ec2.disable_image(ImageId=ami.id)
    since = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    clients.ec2.create_tags(Resources=[ami.id], Tags=[{"Key": DISABLED, "Value": since}])


def remove(clients: Clients, ami: Ami) -> None:
    """Deregister an image and delete its snapshots, but for those that another image uses as well.

    Should we die in between, snapshots without their image are what `amiforge gc` takes: they bear a time that is over.

    Raises:
        AwsRefused: EC2 says no.
    """
    if ami.snapshots:
        over = [
            {"Key": STATE, "Value": "removed"},
            {"Key": EXPIRES, "Value": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"},
        ]
        clients.ec2.create_tags(Resources=list(ami.snapshots), Tags=over)  # type: ignore[arg-type]
    answer = clients.ec2.deregister_image(ImageId=ami.id, DeleteAssociatedSnapshots=True)
    told = {each["SnapshotId"]: each["ReturnCode"] for each in answer.get("DeleteSnapshotResults", ())}
    for snapshot in ami.snapshots:
        if told.get(snapshot) not in {"success", "skipped"}:
            _delete_snapshot(clients, snapshot)


def _delete_snapshot(clients: Clients, snapshot: str) -> None:
    try:
        clients.ec2.delete_snapshot(SnapshotId=snapshot)
    except AwsRefused as error:
        if code(error) not in {"InvalidSnapshot.NotFound", "InvalidSnapshot.InUse"}:
            raise
