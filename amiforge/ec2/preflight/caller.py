"""Who bakes, with which credentials, and whether those live long enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem, warning
from amiforge.ec2.preflight.services import Services

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_TITLE = "credentials"
_LOG_IN = "log in again, or use a profile whose role or SSO session is renewed by itself (role_arn, sso_session)"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom AWS takes the caller for."""

    account: str
    arn: str

    @property
    def partition(self) -> str:
        """Give the partition of AWS: `aws`, `aws-cn`, `aws-us-gov`."""
        return self.arn.split(":")[1]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long credentials live.

    Attributes:
        source: where they come from, in botocore's words: `env`, `shared-credentials-file`, `assume-role`, `sso`.
        temporary: they end some time.
        renewed: new ones are fetched before they end.
        ends: when; None where nobody says.
    """

    source: str
    temporary: bool
    renewed: bool
    ends: datetime | None


def look(services: Services) -> Caller | Unasked:
    """Ask AWS who the caller is."""
    answer = ask(services.sts.get_caller_identity)
    return answer if isinstance(answer, Unasked) else Caller(answer["Account"], answer["Arn"])


def lifetime(credentials: Credentials) -> Lifetime:
    """Read how long credentials live.

    Those from the environment are read again when they end, and are then still the same: nobody renews them.
    Source: botocore.credentials.
    """
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - slow to load

    frozen = credentials.get_frozen_credentials()
    source = str(credentials.method)
    if not isinstance(credentials, RefreshableCredentials):
        return Lifetime(source, bool(frozen.token), renewed=False, ends=None)
    ends = vars(credentials).get("_expiry_time")  # botocore tells it in no other way
    return Lifetime(source, temporary=True, renewed=source != "env", ends=ends)


def refused(answer: Unasked) -> bool:
    """Tell whether AWS does not take the credentials: this question needs no permission, and so no other succeeds."""
    return not answer.passing


def judge_refused(answer: Unasked) -> Iterator[Finding]:
    """Say why AWS does not take them."""
    yield problem(_TITLE, answer.why, answer.fix or _LOG_IN)


def judge_caller(caller: Caller) -> Iterator[Finding]:
    """Say who the caller is."""
    yield fact("caller", f"{caller.arn}, account {caller.account}")
    if caller.arn.endswith(":root"):
        yield warning("caller", "this is the account's root user", "bake as a role that `--policy` describes")


def judge_lifetime(found: Lifetime, seconds: float, now: datetime) -> Iterator[Finding]:
    """Say whether the credentials outlive a bake of so many seconds."""
    minutes = f"a bake takes about {seconds / 60:.0f} min"
    if not found.temporary:
        yield fact(_TITLE, f"an access key from {found.source}, which does not end")
    elif found.renewed:
        until = f", now until {found.ends.astimezone(UTC):%H:%M} UTC" if found.ends else ""
        yield fact(_TITLE, f"from {found.source}, renewed by itself{until}")
    elif found.ends is None:
        yield warning(_TITLE, f"temporary ones from {found.source}; nobody says when they end, and {minutes}", _LOG_IN)
    else:
        left = (found.ends - now).total_seconds()
        detail = f"those from {found.source} end in {max(left, 0) / 60:.0f} min and are not renewed; {minutes}"
        if left < seconds:
            yield problem(_TITLE, detail, f"{_LOG_IN}; a role assumed from a role lives 1 h at most")
        else:
            yield fact(_TITLE, detail)
