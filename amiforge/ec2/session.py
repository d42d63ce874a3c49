"""AWS clients whose every failure is an `AwsRefused`, and whose every changing call can be recorded.

Importing this module is cheap: boto3 is imported when clients are opened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from amiforge.ec2.poll import Pace
from amiforge.ec2.refusal import refused
from amiforge.errors import ConfigError
from amiforge.settings import AwsSettings
from amiforge.shell import Secret

if TYPE_CHECKING:
    import boto3
    from botocore.hooks import BaseEventHooks
    from mypy_boto3_autoscaling.client import AutoScalingClient
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_ssm.client import SSMClient


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may change something: about to be sent (`asked`), or what came of it.

    `about` holds the parameters of an asked call, the ids in the answer of an answered one, and code and message
    of a refused one; never user data.
    """

    operation: str
    phase: Literal["asked", "answered", "refused"]
    about: Mapping[str, Any]


OnCall = Callable[[Call], None]
OnSecret = Callable[[Secret], None]


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of one region.

    Attributes:
        region: where they call.
        local: the endpoint is on this machine.
        ec2: repeats a failed call by itself; for reading, deleting, and what may be said twice.
        once: sends a call once and no more; for making things that must not be made twice.
        ssm: reads public parameters.
        pace: how often they look when they wait.
        profile: named profile of ~/.aws whose credentials they use; empty for the default chain's.
        autoscaling: lists groups, which launch images; None where there is no such service.
    """

    region: str
    local: bool
    ec2: EC2Client
    once: EC2Client
    ssm: SSMClient
    pace: Pace
    profile: str = ""
    autoscaling: AutoScalingClient | None = None


def open_clients(
    settings: AwsSettings,
    pace: Pace | None = None,
    on_call: OnCall | None = None,
    on_secret: OnSecret | None = None,
    session: boto3.Session | None = None,
) -> Clients:
    """Open the clients for a region.

    An endpoint on this machine gets made-up credentials, so that real ones never reach it.

    Args:
        settings: region, profile, endpoint and patience.
        pace: how often they look when they wait.
        on_call: told of every call that may change something, before it is sent and when it is answered.
        on_secret: told of the secret key and session token that calls are signed with, before each call: those of a
            role are renewed from time to time.
        session: what `open_session` gave, for whoever opens several regions: it has learned what EC2's calls look like.

    Raises:
        ConfigError: no region is given anywhere, or the profile does not exist.
    """
    from botocore.config import Config  # noqa: PLC0415 - costs 0.2 s, which no other command should pay

    session = session or open_session(settings)
    region = settings.region or session.region_name
    if not region:
        raise ConfigError(
            "no AWS region is given",
            fix="give --region, set AWS_REGION or AWS_DEFAULT_REGION, or set a region in the profile",
        )
    times = Config(connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout)
    patient = times.merge(Config(retries={"mode": "adaptive", "total_max_attempts": settings.attempts}))
    # EC2 answers a lack of capacity with HTTP 500, which botocore would repeat in place for seconds.
    single = times.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    where: dict[str, Any] = {"region_name": region, "endpoint_url": settings.endpoint_url or None}
    ec2 = session.client("ec2", config=patient, **where)
    clients = Clients(
        region,
        is_local(ec2.meta.endpoint_url),
        ec2,
        session.client("ec2", config=single, **where),
        session.client("ssm", config=patient, **where),
        pace or Pace(),
        settings.profile,
        session.client("autoscaling", config=patient, **where),
    )
    for client in filter(None, (clients.ec2, clients.once, clients.ssm, clients.autoscaling)):
        translate_failures(client.meta.events, on_call)
        if on_secret and not clients.local:
            client.meta.events.register("before-call", partial(_tell_credentials, session, on_secret))
    return clients


def is_local(endpoint_url: str) -> bool:
    """Tell whether an endpoint is on this machine."""
    host = urlsplit(endpoint_url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def open_session(settings: AwsSettings) -> boto3.Session:
    """Open the session that all clients share: with the profile's credentials, or made-up ones for this machine.

    Raises:
        ConfigError: the profile does not exist.
    """
    import boto3  # noqa: PLC0415 - as above
    from botocore.exceptions import ProfileNotFound  # noqa: PLC0415 - as above

    local = is_local(settings.endpoint_url)
    made_up = "local" if local else None
    try:
        return boto3.Session(
            profile_name=None if local else settings.profile or None,
            # botocore itself knows only AWS_DEFAULT_REGION, unlike all newer SDKs.
            region_name=settings.region or os.environ.get("AWS_REGION") or None,
            aws_access_key_id=made_up,
            aws_secret_access_key=made_up,
        )
    except ProfileNotFound as error:
        raise ConfigError(str(error), fix="give another --profile, or see `aws configure list-profiles`") from None


def _tell_credentials(session: boto3.Session, on_secret: OnSecret, **_: Any) -> None:
    credentials = session.get_credentials()
    if credentials:
        frozen = credentials.get_frozen_credentials()
        for value in filter(None, (frozen.secret_key, frozen.token)):
            on_secret(Secret(value))


def translate_failures(events: BaseEventHooks, on_call: OnCall | None) -> None:
    """Turn every failure of a client into our error, at the one place that all its calls pass."""

    def tell(operation: str, phase: Literal["asked", "answered", "refused"], about: Mapping[str, Any]) -> None:
        if on_call and not operation.startswith(("Describe", "Get", "List")):
            on_call(Call(operation, phase, about))

    def asked(params: dict[str, Any], model: Any, **_: Any) -> None:
        tell(model.name, "asked", _recorded(params))

    def answered(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if "Error" not in parsed:
            tell(model.name, "answered", _ids(parsed))
            return
        code, message = parsed["Error"].get("Code", ""), parsed["Error"].get("Message", "")
        tell(model.name, "refused", {"code": code, "message": message})
        raise refused(model.name, code, message)

    def not_sent(exception: Exception, event_name: str, **_: Any) -> None:
        operation, code = event_name.rpartition(".")[2], type(exception).__name__
        tell(operation, "refused", {"code": code, "message": str(exception)})
        raise refused(operation, code, str(exception)) from exception

    events.register("provide-client-params", asked)
    events.register("after-call", answered)
    events.register("after-call-error", not_sent)


def _recorded(params: Mapping[str, Any]) -> dict[str, Any]:
    """Give a call's parameters as they may be written down."""
    shown = {name: value for name, value in params.items() if name not in {"UserData", "PublicKeyMaterial"}}
    return dict(json.loads(json.dumps(shown, default=str)))


def _ids(answer: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give the ids in an answer by their names: `{"InstanceId": ["i-…"]}`."""
    found: dict[str, list[str]] = {}
    for name, value in _walk(answer):
        if name in {"InstanceId", "ImageId", "GroupId", "KeyPairId", "VolumeId", "SnapshotId"}:
            found.setdefault(name, []).append(value)
    return found


def _walk(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, str):
                yield name, item
            else:
                yield from _walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)
