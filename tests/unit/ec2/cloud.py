"""An EC2 for unit tests: moto inside this process, with one source image and faults on order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from moto.core.models import botocore_stubber
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import Instance, StateReason

from amiforge.ec2.poll import Pace
from amiforge.ec2.refusal import passing, refused
from amiforge.ec2.session import Clients, OnCall, open_clients
from amiforge.settings import AwsSettings

REGION = "us-east-1"
SETTINGS = AwsSettings(region=REGION)
#: A fault: the call takes effect, and its answer never comes.
LOST = "answer lost"
_SOURCE = "al2023-ami-2023.9"


def impatient() -> Pace:
    """Give a pace whose clock only moves by sleeping, and which never really sleeps."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Pace(clock=lambda: now[0], sleep=sleep)


@dataclass
class Cloud:
    """Clients of a fresh EC2, the calls they made, and what goes wrong.

    `faults` maps the number of a call, counted from 1 over all calls or over those of one operation, to an error code,
    with a message or without, or `LOST`: `{7: LOST, ("RunInstances", 1): "InsufficientInstanceCapacity"}`.
    `births` maps the number of an instance to the state that it stays in, and a reason: `{1: "pending",
    2: "terminated Client.InternalError"}`. Client tokens are honoured. `tokens` are those of all launches that arrived,
    `most` is the greatest number of instances there ever were at once.
    """

    source: str
    clients: Clients
    faults: dict[int | tuple[str, int], str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    births: dict[int, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    most: int = 0
    _launched: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def hit(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        """Count a call, and let it go wrong if that is wanted."""
        operation = event_name.rpartition(".")[2]
        self.calls.append(operation)
        place = (operation, self.calls.count(operation))
        fault = self.faults.get(len(self.calls)) or self.faults.get(place)
        if operation == "RunInstances":
            self.tokens += parse_qs(request.body)["ClientToken"]
            # What was launched once is not refused for want of room or rights when it is asked for again.
            if self.tokens[-1] in self._launched and fault != LOST and not passing(refused(operation, str(fault), "")):
                fault = None
        # All handlers are asked, also when the first one has answered; a refused call must not take effect.
        botocore_stubber.enabled = fault in {None, LOST}
        if fault not in {None, LOST}:
            return refusal(request.url, str(fault))
        answer = self._launch(request, event_name) if operation == "RunInstances" else None
        if fault == LOST:
            answer or botocore_stubber(event_name, request)
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer

    @property
    def alive(self) -> list[str]:
        """The ids of all instances that are not terminated."""
        return [str(each.id) for each in self._instances() if each.state != "terminated"]

    def start_over(self) -> None:
        """Terminate every instance, and forget faults, calls and tokens."""
        for instance in self._instances():
            instance._state.name = "terminated"
        for kept in (self.faults, self.births, self.calls, self.tokens, self._launched):
            kept.clear()
        self.most = 0

    def _launch(self, request: Any, event_name: str) -> AWSResponse:
        """Launch once for a client token, however often it comes."""
        body = request.body if isinstance(request.body, str) else request.body.decode()
        again = self.tokens[-1] in self._launched
        if not again:
            made: Any = botocore_stubber(event_name, request)
            if made.status_code != 200:
                botocore_stubber.enabled = False
                return AWSResponse(request.url, made.status_code, made.headers, _Body(made.content))
            self._launched[self.tokens[-1]] = body, made.content
            self._bear(self._instances()[-1], self.births.get(len(self._launched), ""))
            self.most = max(self.most, len(self.alive))
        botocore_stubber.enabled = False
        before, content = self._launched[self.tokens[-1]]
        if before != body:
            return refusal(request.url, "IdempotentParameterMismatch")
        if again and re.findall(r"<instanceId>([^<]+)", content.decode())[0] not in self.alive:
            return refusal(request.url, "IdempotentInstanceTerminated")
        return AWSResponse(request.url, 200, HTTPHeaders(), _Body(content))

    def _instances(self) -> list[Instance]:
        return list(ec2_backends["123456789012"][REGION].all_instances())

    def _bear(self, instance: Instance, fate: str) -> None:
        state, _, reason = fate.partition(" ")
        if state:
            instance._state.name = state
        if reason:
            instance.state_reason = StateReason("as the test asked", reason)

    def leftovers(self) -> list[str]:
        """Name everything there is but the source image and what an account has from its beginning."""
        ec2, found = ec2_backends["123456789012"][REGION], []
        found += [f"instance {i.id}" for i in ec2.all_instances() if i.state != "terminated"]
        found += [f"key pair {pair.key_name}" for pair in ec2.describe_key_pairs([])]
        found += [f"security group {g.name}" for g in ec2.describe_security_groups() if g.name != "default"]
        found += [f"volume {volume}" for volume in ec2.volumes]
        found += [f"image {image}" for image in ec2.amis if image != self.source]
        return found

    def forget_images(self) -> None:
        """Deregister every image but the source."""
        images = ec2_backends["123456789012"][REGION].amis
        for image in [image for image in images if image != self.source]:
            del images[image]


def open_cloud(on_call: OnCall | None = None, pace: Pace | None = None) -> Cloud:
    """Give an EC2 with one source image; moto must be mocking AWS, without its default images."""
    clients = open_clients(SETTINGS, pace or impatient(), on_call)
    ec2 = ec2_backends["123456789012"][REGION]
    images = [image for image in ec2.amis.values() if image.name == _SOURCE] or [ec2.register_image(_SOURCE)]
    images[0].architecture = "x86_64"
    source = images[0].id
    cloud = Cloud(source, clients)
    for client in (clients.ec2, clients.once):
        # The stubs of botocore know only of hooks that give nothing.
        events: Any = client.meta.events
        events.register_first("before-send.ec2", cloud.hit)
        events.register("provide-client-params.ec2.CreateImage", _without_snapshot_tags)
    return cloud


def _without_snapshot_tags(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Leave out what moto does not know: tags for an image's snapshots."""
    kept = [tags for tags in params["TagSpecifications"] if tags["ResourceType"] != "snapshot"]
    return {**params, "TagSpecifications": kept}


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content


def refusal(url: str, code: str) -> AWSResponse:
    """Give what EC2 answers when it says no."""
    code, _, message = code.partition(": ")
    error = f"<Error><Code>{code}</Code><Message>{message or 'as the test asked'}</Message></Error>"
    status = {"RequestLimitExceeded": 503, "InternalError": 500, "InsufficientInstanceCapacity": 500}.get(code, 400)
    return AWSResponse(url, status, HTTPHeaders(), _Body(f"<Response><Errors>{error}</Errors></Response>".encode()))
