"""What came of a verification: of one host, and of many side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from amiforge.engine.events import CheckFinished, HostVerified, VerificationFinished
from amiforge.errors import AmiforgeError, CheckFailed, HostError
from amiforge.verify.nodes import fold

State = Literal["passed", "failed", "not verified"]


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """What came of one host.

    Attributes:
        host: its name, as it was written.
        checks: what came of each check that was tested, in order.
        error: why it could not be verified, or not to the end; None where it was.
        versions: what it is made of, by name, as `kernel` or `package efa`.
        seconds: how long it took.
    """

    host: str
    checks: tuple[CheckFinished, ...] = ()
    error: AmiforgeError | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def state(self) -> State:
        """Whether every check passed or was skipped; a host that cannot be asked is neither good nor bad."""
        if self.error:
            return "not verified"
        return "failed" if self.failed else "passed"

    @property
    def failed(self) -> tuple[CheckFinished, ...]:
        """The checks that found something wrong."""
        return tuple(check for check in self.checks if check.outcome == "failed")

    def count(self, outcome: str) -> int:
        """Say how many checks ended so."""
        return sum(check.outcome == outcome for check in self.checks)

    def event(self) -> HostVerified:
        """Give what is told of it when it is done."""
        return HostVerified(
            host=self.host,
            passed=self.count("passed"),
            failed=self.count("failed"),
            skipped=self.count("skipped"),
            seconds=round(self.seconds, 3),
            error=self.error.message if self.error else "",
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of a recipe's checks on many hosts, in the order in which they were named."""

    recipe: str
    hosts: tuple[HostOutcome, ...]
    seconds: float = 0.0

    def failures(self) -> dict[str, dict[str, list[str]]]:
        """Give the checks that failed anywhere: by check, then by reason, the hosts."""
        found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for host in self.hosts:
            for check in host.failed:
                found[f"{check.task}: {check.title}"][check.detail].append(host.host)
        return {check: dict(reasons) for check, reasons in found.items()}

    def errors(self) -> dict[str, list[str]]:
        """Give the reasons for which hosts were not verified, and those hosts."""
        return _by((host.error.message.replace(host.host, "it"), host.host) for host in self.hosts if host.error)

    def differing(self) -> dict[str, dict[str, list[str]]]:
        """Give the versions that the hosts do not have in common: by name, then by version, the hosts.

        The version that most have comes first. A cluster's typical fault is one node that is not like the others.
        """
        asked = [host for host in self.hosts if host.versions]
        names = dict.fromkeys(name for host in asked for name in host.versions)
        found = {name: _by((host.versions.get(name, ""), host.host) for host in asked) for name in names}
        return {
            name: dict(sorted(versions.items(), key=lambda item: -len(item[1])))
            for name, versions in found.items()
            if len(versions) > 1
        }

    def also(self, lost: Mapping[str, HostError], checks: Sequence[CheckFinished]) -> Verification:
        """Give the same with more checks, and with hosts that were lost on the way."""
        found = [
            replace(
                host,
                checks=(*host.checks, *(check for check in checks if check.host in {"", host.host})),
                error=host.error or lost.get(host.host),
            )
            for host in self.hosts
        ]
        return replace(self, hosts=tuple(found))

    def event(self) -> VerificationFinished:
        """Give what is told at the end."""
        return VerificationFinished(
            recipe=self.recipe,
            seconds=round(self.seconds, 3),
            hosts={host.host: _summary(host) for host in self.hosts},
            failures=self.failures(),
            differing=self.differing(),
        )

    def refuse_failures(self) -> None:
        """Do nothing where every check passed on every host.

        Raises:
            CheckFailed: some check found something wrong somewhere.
            HostError: none did, but some host could not be asked.
            AmiforgeError: of a single host, why it could not be verified.
        """
        if len(self.hosts) == 1:
            [only] = self.hosts
            if only.error:
                raise only.error
            refuse_failures(only.checks, f"{self.recipe} on {only.host}")
        failed = [host.host for host in self.hosts if host.failed]
        unasked = [host.host for host in self.hosts if host.error]
        if failed:
            raise CheckFailed(
                f"checks failed on {len(failed)} of {_hosts(len(self.hosts))}: {self.recipe}",
                failed=fold(failed),
                not_verified=fold(unasked),
            )
        if unasked:
            raise HostError(
                f"{len(unasked)} of {_hosts(len(self.hosts))} could not be verified", not_verified=fold(unasked)
            )


def refuse_failures(checks: Sequence[CheckFinished], what: str) -> None:
    """Do nothing where every check of one host passed.

    Raises:
        CheckFailed: some did not; names each.
    """
    failed = [check for check in checks if check.outcome == "failed"]
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(checks)} checks failed: {what}",
            failed="\n".join(f"{check.task}: {check.title}: {check.detail}" for check in failed),
        )


def _by(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return dict(found)


def _hosts(number: int) -> str:
    return "1 host" if number == 1 else f"{number} hosts"


def _summary(host: HostOutcome) -> dict[str, Any]:
    counts = {outcome: host.count(outcome) for outcome in ("passed", "failed", "skipped")}
    return {"state": host.state, **counts, "error": host.error.message if host.error else ""}
