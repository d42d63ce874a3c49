"""The default VPC's way to the internet, which moto leaves out."""

from __future__ import annotations

from moto.ec2.models import EC2Backend


def connect(backend: EC2Backend) -> None:
    """Give the default VPC an internet gateway, and its main route table a route there, as AWS does."""
    vpc = backend.default_vpc
    gateway = backend.create_internet_gateway()
    backend.attach_internet_gateway(gateway.id, vpc.id)
    for table in backend.describe_route_tables(filters={"vpc-id": [vpc.id], "association.main": ["true"]}):
        backend.create_route(table.id, "0.0.0.0/0", gateway_id=gateway.id)
