from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws
from moto.ec2.models import ec2_backends

from amiforge.ec2.preflight import Services, open_services
from tests.unit.ec2.cloud import REGION, SETTINGS, Cloud, open_cloud


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Give an EC2 whose source image has ENA, and whose default VPC leads to the internet."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        cloud = open_cloud()
        ec2 = ec2_backends["123456789012"][REGION]
        setattr(ec2.amis[cloud.source], "ena_support", True)  # noqa: B010 - moto's images do not have it by themselves
        gateway = ec2.create_internet_gateway()
        ec2.attach_internet_gateway(gateway.id, ec2.default_vpc.id)
        ec2.create_route(ec2.describe_route_tables()[0].id, "0.0.0.0/0", gateway_id=gateway.id)
        yield cloud


@pytest.fixture
def services(cloud: Cloud) -> Services:
    assert cloud.calls == []
    return open_services(SETTINGS)
