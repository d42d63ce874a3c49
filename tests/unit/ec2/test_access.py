from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from amiforge.ec2.access import Way, find_endpoint, require_programs, sources, way_in
from amiforge.ec2.builder import Builder
from amiforge.ec2.instances import Instance
from amiforge.ec2.network import Subnet
from amiforge.ec2.session import Clients
from amiforge.errors import ConfigError
from tests.unit.ec2.cloud import Cloud

SSM = Builder(access="ssm", profile="builders")
TUNNEL = Builder(access="instance-connect", address="private")
INSTANCE = Instance(
    id="i-0abc",
    state="running",
    instance_type="m6i.large",
    zone="us-east-1a",
    public_address="192.0.2.7",
    private_address="10.0.0.7",
    reason="",
)


def endpoint(name: str = "eice-01", state: str = "create-complete", groups: tuple[str, ...] = ("sg-0e",)) -> Any:
    return {"InstanceConnectEndpointId": name, "State": state, "SecurityGroupIds": list(groups)}


def region(*endpoints: Any, profile: str = "") -> Clients:
    """Give clients of a region with one VPC and these endpoints."""
    associated = [
        {"CidrBlock": cidr, "CidrBlockState": {"State": state}}
        for cidr, state in (("10.0.0.0/16", "associated"), ("10.1.0.0/16", "disassociated"))
    ]
    ec2 = SimpleNamespace(
        describe_instance_connect_endpoints=lambda **_: {"InstanceConnectEndpoints": list(endpoints)},
        describe_vpcs=lambda **_: {"Vpcs": [{"CidrBlock": "10.0.0.0/16", "CidrBlockAssociationSet": associated}]},
    )
    return Clients(
        "eu-west-1", local=False, profile=profile, **dict.fromkeys(("ec2", "once", "ssm", "pace"), cast("Any", ec2))
    )


HERE = Subnet("subnet-1", "vpc-1", "eu-west-1a", "10.0.0.0/24")
_SSM = ("aws", "ssm", "start-session", "--target", "i-0abc", "--document-name", "AWS-StartSSHSession", "--parameters")
_TUNNEL = ("aws", "ec2-instance-connect", "open-tunnel", "--instance-id", "i-0abc", "--remote-port", "22")
_REGION = ("--region", "eu-west-1")


@pytest.mark.parametrize(
    ("builder", "way"),
    [
        (Builder(), Way("192.0.2.7")),
        (Builder(address="private", ssh_port=2222), Way("10.0.0.7", 2222)),
        (
            Builder(address="private", bastion="me@b:2200,c", bastion_key="k"),
            Way("10.0.0.7", jump="me@b:2200,c", jump_key="k"),
        ),
        (SSM, Way("i-0abc", proxy=(*_SSM, "portNumber=22", *_REGION))),
        (Builder(**{**SSM.model_dump(), "ssh_port": 2222}), Way("i-0abc", 2222, (*_SSM, "portNumber=2222", *_REGION))),
        (TUNNEL, Way("i-0abc", proxy=(*_TUNNEL, *_REGION))),
        (
            Builder(access="instance-connect", instance_connect_endpoint="eice-02"),
            Way("i-0abc", proxy=(*_TUNNEL, "--instance-connect-endpoint-id", "eice-02", *_REGION)),
        ),
    ],
)
def test_ways_in(builder: Builder, way: Way) -> None:
    assert way_in(region(), builder, INSTANCE) == way
    if way.proxy:
        with_profile = replace(way, proxy=(*way.proxy, "--profile", "dev"))
        assert way_in(region(profile="dev"), builder, INSTANCE) == with_profile


@pytest.mark.parametrize(
    ("builder", "endpoints", "let_in"),
    [
        (SSM, (), ()),
        (TUNNEL, (endpoint(),), ("sg-0e",)),
        (TUNNEL, (endpoint(groups=()),), ("10.0.0.0/16",)),
        (Builder(access="instance-connect", ingress=("10.9.0.0/16",)), (endpoint(),), ("10.9.0.0/16",)),
        (Builder(address="private", bastion="b"), (), ("10.0.0.0/16",)),
        (Builder(bastion="b", ingress=("192.0.2.9/32",)), (), ("192.0.2.9/32",)),
        (Builder(ingress=("192.0.2.0/24", "sg-0a")), (), ("192.0.2.0/24", "sg-0a")),
    ],
)
def test_nobody_else_is_let_in(builder: Builder, endpoints: tuple[Any, ...], let_in: tuple[str, ...]) -> None:
    assert sources(region(*endpoints), builder, HERE) == let_in


def test_where_a_bastion_comes_from_to_a_public_address_must_be_said() -> None:
    with pytest.raises(ConfigError) as refused:
        sources(region(), Builder(bastion="b"), HERE)
    assert "builder.ingress" in refused.value.lines["fix"]


def test_this_machine_is_let_in_where_the_endpoint_is_on_it(cloud: Cloud) -> None:
    assert sources(replace(cloud.clients, local=True), Builder(), HERE) == ("127.0.0.1/32",)


@pytest.mark.parametrize(
    ("endpoints", "wanted", "says"),
    [
        ((), "", "vpc-1 has no EC2 Instance Connect Endpoint\n"),
        ((endpoint(state="create-in-progress"),), "", "vpc-1 has no EC2 Instance Connect Endpoint\n"),
        ((endpoint("eice-01"),), "eice-02", "no EC2 Instance Connect Endpoint eice-02, but eice-01"),
    ],
)
def test_no_endpoint_is_an_error_with_the_fix(endpoints: tuple[Any, ...], wanted: str, says: str) -> None:
    builder = Builder(access="instance-connect", instance_connect_endpoint=wanted)
    with pytest.raises(ConfigError, match=says) as refused:
        sources(region(*endpoints), builder, HERE)
    assert "create-instance-connect-endpoint" in refused.value.lines["fix"]


def test_the_wanted_endpoint_is_taken() -> None:
    builder = Builder(access="instance-connect", instance_connect_endpoint="eice-02")
    found = find_endpoint(region(endpoint("eice-01"), endpoint("eice-02")), builder, "vpc-1")
    assert found["InstanceConnectEndpointId"] == "eice-02"


@pytest.mark.parametrize(
    ("builder", "there", "missing"),
    [
        (Builder(), (), ""),
        (TUNNEL, ("aws",), ""),
        (TUNNEL, (), "aws"),
        (SSM, ("aws",), "session-manager-plugin"),
        (SSM, ("aws", "session-manager-plugin"), ""),
    ],
)
def test_programs_are_looked_for_before_anything_is_made(
    builder: Builder, there: tuple[str, ...], missing: str
) -> None:
    def require() -> None:
        require_programs(builder, lambda name: name if name in there else None)

    if not missing:
        require()
        return
    with pytest.raises(ConfigError, match=f"needs the program {missing}, ") as refused:
        require()
    assert "https://docs.aws.amazon.com/" in refused.value.lines["fix"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"access": "ssm"}, "AmazonSSMManagedInstanceCore"),
        ({"access": "ssm", "profile": "p", "bastion": "b"}, "goes with access direct"),
        ({"access": "instance-connect", "ssh_port": 2222}, "port 22 only"),
        ({"bastion": "-oProxyCommand=x"}, "not a host"),
        ({"bastion": "a,,b"}, "not a host"),
        ({"security_groups": ("default",)}, "not the id of a security group"),
        ({"security_groups": ("sg-0a",), "ingress": ("10.0.0.0/8",)}, "temporary group"),
        ({"ingress": ("10.0.0.1/8",)}, "host bits"),
        ({"ingress": ("me",)}, "IPv4 or IPv6"),
        ({"instance_connect_endpoint": "vpce-1"}, "pattern"),
    ],
)
def test_impossible_ways_are_refused_as_data(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Builder(**options)


def test_every_possible_way_is_accepted_as_data() -> None:
    Builder(bastion="me@b.example:2200,[2001:db8::1]", ingress=("2001:db8::/32", "pl-0a", "sg-0b", "10.0.0.0/8"))
