from __future__ import annotations

import io
import urllib.request
from typing import Any

import pytest

from amiforge.ec2.network import create_group, refuse_closed, vpc_cidrs
from amiforge.ec2.own_address import public_address
from amiforge.ec2.poll import Pace
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused, ConfigError
from tests.unit.ec2.cloud import Cloud

TAGS = Tags("run-1", "2099-01-01T00:00:00Z")


@pytest.fixture
def vpc(cloud: Cloud) -> str:
    return str(cloud.clients.ec2.describe_vpcs()["Vpcs"][0]["VpcId"])


def rules(cloud: Cloud, group: str) -> Any:
    return cloud.clients.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]


def test_a_group_lets_in_every_kind_of_source_at_sshs_port(cloud: Cloud, vpc: str) -> None:
    other = cloud.clients.ec2.create_security_group(GroupName="other", Description="x", VpcId=vpc)["GroupId"]
    group = create_group(cloud.clients, TAGS, vpc, ["192.0.2.1/32", "2001:db8::/32", other], 2222)
    found = rules(cloud, group)
    assert {(rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) for rule in found} == {(2222, 2222, "tcp")}
    assert [each["CidrIp"] for rule in found for each in rule["IpRanges"]] == ["192.0.2.1/32"]
    assert [each["CidrIpv6"] for rule in found for each in rule["Ipv6Ranges"]] == ["2001:db8::/32"]
    assert [each["GroupId"] for rule in found for each in rule["UserIdGroupPairs"]] == [other]


def test_a_group_for_nobody_has_no_rule(cloud: Cloud, vpc: str) -> None:
    assert rules(cloud, create_group(cloud.clients, TAGS, vpc, ())) == []
    assert "AuthorizeSecurityGroupIngress" not in cloud.calls


def test_the_cidrs_of_a_vpc(cloud: Cloud, vpc: str) -> None:
    cloud.clients.ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.7.0.0/16")
    assert vpc_cidrs(cloud.clients, vpc) == ("172.31.0.0/16", "10.7.0.0/16")


@pytest.mark.parametrize(
    ("let_in", "sources", "port", "closed"),
    [
        (["203.0.113.7/32"], ["203.0.113.7/32"], 22, False),
        (["203.0.113.0/24"], ["203.0.113.7/32"], 22, False),
        (["203.0.113.0/24"], ["198.51.100.1/32"], 22, True),
        (["203.0.113.0/24"], ["198.51.100.1/32", "203.0.113.7/32"], 22, False),
        (["203.0.113.0/24"], ["203.0.113.7/32"], 2222, True),
        (["2001:db8::/32"], ["203.0.113.7/32"], 22, True),
        ([], ["203.0.113.7/32"], 22, True),
        ([], [], 22, False),
        (["10.0.0.0/24"], ["10.0.0.0/16"], 22, False),
        (["10.0.0.0/24"], ["sg-0e"], 22, False),
    ],
)
def test_groups_that_keep_us_out_are_refused(
    cloud: Cloud, let_in: list[str], sources: list[str], port: int, *, closed: bool
) -> None:
    vpc = str(cloud.clients.ec2.describe_vpcs()["Vpcs"][0]["VpcId"])
    group = create_group(cloud.clients, TAGS, vpc, let_in)
    if not closed:
        refuse_closed(cloud.clients, [group], vpc, sources, port)
        return
    with pytest.raises(ConfigError, match=f"lets .* reach port {port}") as refused:
        refuse_closed(cloud.clients, [group], vpc, sources, port)
    assert refused.value.lines["groups"] == group


def test_a_rule_that_lets_a_group_in_cannot_be_judged(cloud: Cloud, vpc: str) -> None:
    other = create_group(cloud.clients, TAGS, vpc, [])
    group = cloud.clients.ec2.create_security_group(GroupName="mine", Description="x", VpcId=vpc)["GroupId"]
    pair = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}
    cloud.clients.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[pair])  # type: ignore[list-item]
    refuse_closed(cloud.clients, [group], vpc, ["203.0.113.7/32"], 22)


def test_groups_of_another_vpc_and_missing_ones_are_refused(cloud: Cloud, vpc: str) -> None:
    group = create_group(cloud.clients, TAGS, vpc, [])
    with pytest.raises(ConfigError, match=f"not of the builder's VPC vpc-other: {group}"):
        refuse_closed(cloud.clients, [group], "vpc-other", [], 22)
    with pytest.raises(AwsRefused, match="sg-00000000"):
        refuse_closed(cloud.clients, ["sg-00000000"], vpc, [], 22)


class Answers:
    """Stands in for the service that says where a request comes from."""

    def __init__(self, *answers: str | OSError) -> None:
        self.answers = list(answers)
        self.handlers: tuple[Any, ...] = ()

    def build(self, *handlers: Any) -> Answers:
        self.handlers = handlers
        return self

    def open(self, _url: str, timeout: float) -> io.BytesIO:
        assert timeout
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return io.BytesIO(answer.encode())


def asked(monkeypatch: pytest.MonkeyPatch, *answers: str | OSError) -> Answers:
    service = Answers(*answers)
    monkeypatch.setattr(urllib.request, "build_opener", service.build)
    return service


def test_ones_own_address_is_asked_for_again_and_never_through_a_web_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    service = asked(monkeypatch, TimeoutError("timed out"), OSError("reset"), "203.0.113.7\n")
    assert str(public_address(Pace(sleep=lambda _: None))) == "203.0.113.7"
    assert [handler.proxies for handler in service.handlers] == [{}]


@pytest.mark.parametrize(
    ("answers", "proxy", "says"),
    [
        ([OSError("unreachable")] * 3, "", "unreachable\n"),
        ([OSError("unreachable")] * 3, "http://p:3128", "behind a web proxy"),
        (["2001:db8::7"], "", "from 2001:db8::7, and the builder's public address is an IPv4 one"),
        (["<html>log in first</html>"], "", "answered with no address"),
        ([""], "", "answered with no address"),
    ],
)
def test_an_address_that_is_not_found_out_names_the_fix(
    monkeypatch: pytest.MonkeyPatch, answers: list[str | OSError], proxy: str, says: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    asked(monkeypatch, *answers)
    with pytest.raises(ConfigError, match=says) as refused:
        public_address(Pace(sleep=lambda _: None))
    assert "builder.ingress" in refused.value.lines["fix"]
