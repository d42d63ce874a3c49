"""The services that are asked before a bake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amiforge.ec2.preflight.finding import Unasked, ask
from amiforge.ec2.session import Clients, open_clients, open_session, translate_failures
from amiforge.settings import AwsSettings
from amiforge.shell import Secret

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_sts.client import STSClient

#: Tries of each question: an answer is wanted in seconds, and what fails is only one finding less.
_ATTEMPTS = 4
_CONNECT_TIMEOUT = 5
#: As many questions as are asked at the same time.
CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Services:
    """Clients of one region, all of which may be used by several threads.

    Attributes:
        clients: EC2 and SSM.
        sts: says who the caller is.
        iam: knows roles, instance profiles, and what the caller may do.
        kms: knows keys.
        quotas: Service Quotas.
        credentials: what the calls are signed with; None where there are none.
    """

    clients: Clients
    sts: STSClient
    iam: Any
    kms: Any
    quotas: Any
    credentials: Credentials | None

    def secrets(self) -> tuple[Secret, ...]:
        """Give what calls are signed with: AWS quotes it when it refuses a signature, and nobody may see it."""
        credentials = self.credentials
        if credentials is None or self.clients.local:
            return ()
        frozen = ask(credentials.get_frozen_credentials)
        if isinstance(frozen, Unasked):
            return ()
        return tuple(Secret(value) for value in (frozen.secret_key, frozen.token) if value)


def open_services(settings: AwsSettings) -> Services:
    """Open the clients for a region; they give up sooner than those of a bake.

    Raises:
        ConfigError: no region is given anywhere, or the profile does not exist.
    """
    from botocore.config import Config  # noqa: PLC0415 - slow to load

    hasty = settings.model_copy(
        update={
            "attempts": min(settings.attempts, _ATTEMPTS),
            "connect_timeout": min(settings.connect_timeout, _CONNECT_TIMEOUT),
        }
    )
    clients, session = open_clients(hasty), open_session(hasty)
    config = Config(
        connect_timeout=hasty.connect_timeout,
        read_timeout=hasty.read_timeout,
        retries={"mode": "standard", "total_max_attempts": hasty.attempts},
        max_pool_connections=CONNECTIONS,
    )

    def client(name: str) -> Any:
        opened = session.client(  # type: ignore[call-overload]
            name, region_name=clients.region, config=config, endpoint_url=settings.endpoint_url or None
        )
        translate_failures(opened.meta.events, None)
        return opened

    return Services(
        clients, client("sts"), client("iam"), client("kms"), client("service-quotas"), session.get_credentials()
    )
