from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amiforge.bake.journal import read
from amiforge.ec2 import access
from amiforge.ec2.builder import Builder
from amiforge.ec2.session import open_clients
from amiforge.errors import ConfigError, Parked, Unreachable
from tests.unit.bake.bench import Bench
from tests.unit.ec2.cloud import SETTINGS

LAUNCHED = "RunInstances"


def reached_by(bench: Bench, **options: Any) -> None:
    bench.builder = Builder(instance_types=("m6i.large",), **options)


def asked(bench: Bench, operation: str) -> list[dict[str, Any]]:
    lines = read(bench.run_folder / "journal.jsonl")
    return [line["about"] for line in lines if line["kind"] == "asked" and line["operation"] == operation]


@pytest.fixture
def group(bench: Bench) -> str:  # noqa: ARG001 - its EC2
    """Give a security group that was there before, and lets one network in."""
    ec2 = open_clients(SETTINGS).ec2
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = ec2.create_security_group(GroupName="ours", Description="x", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=made, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="203.0.113.0/24"
    )
    return made


def test_groups_that_are_there_are_used_and_none_is_made(
    bench: Bench, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "own_cidrs", lambda *_: ("203.0.113.7/32",))
    reached_by(bench, security_groups=(group,))
    bench.bake()
    assert "CreateSecurityGroup" not in bench.cloud.calls
    assert "DeleteSecurityGroup" not in bench.cloud.calls
    assert [each["NetworkInterfaces"][0]["Groups"] for each in asked(bench, LAUNCHED)] == [[group], [group]]


def test_groups_that_keep_us_out_cost_no_builder(bench: Bench, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "own_cidrs", lambda *_: ("198.51.100.1/32",))
    reached_by(bench, security_groups=(group,))
    with pytest.raises(ConfigError, match=r"lets 198\.51\.100\.1/32 reach port 22"):
        bench.bake()
    assert LAUNCHED not in bench.cloud.calls


def test_groups_are_used_as_they_are_where_our_own_address_is_not_known(
    bench: Bench, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> tuple[str, ...]:
        raise ConfigError("this machine's own address could not be found out")

    monkeypatch.setattr(access, "own_cidrs", unknown)
    reached_by(bench, security_groups=(group,))
    bench.bake()


def test_a_missing_program_costs_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    reached_by(bench, access="ssm", profile="builders")
    with pytest.raises(ConfigError, match="the program aws"):
        bench.bake()
    assert not [call for call in bench.cloud.calls if not call.startswith("Describe")]


def test_jump_hosts_are_checked_before_anything_is_made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[access.Way] = []

    def check(way: access.Way) -> None:
        checked.append(way)
        raise Unreachable("no SSH connection to b port 22")

    means = replace(bench.machines.means(), check_jumps=check)
    monkeypatch.setattr(bench.machines, "means", lambda: means)
    reached_by(bench, bastion="b", bastion_key="k", address="private")
    with pytest.raises(Unreachable):
        bench.bake()
    assert checked == [access.Way("", jump="b", jump_key="k")]
    assert not [call for call in bench.cloud.calls if not call.startswith("Describe")]


def test_sshds_own_port_is_opened_and_printed(bench: Bench) -> None:
    reached_by(bench, ingress=("192.0.2.1/32", "2001:db8::/32"), ssh_port=2222)
    bench.bake()
    opened = [each["IpPermissions"][0] for each in asked(bench, "AuthorizeSecurityGroupIngress")]
    assert [(each["FromPort"], each["ToPort"]) for each in opened] == [(2222, 2222)] * 2
    known = (bench.run_folder / "builder.known_hosts").read_text()
    assert known.startswith("[")
    assert "]:2222 ssh-ed25519 " in known


@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_goes_on_elsewhere_lets_that_place_in(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    places = ["203.0.113.7/32"]

    def here(*_: object) -> tuple[str, ...]:
        if not places:
            raise ConfigError("this machine's own address could not be found out")
        return tuple(places)

    monkeypatch.setattr(access, "own_cidrs", here)
    reached_by(bench)
    bench.faults["CreateImage", 1] = "ExpiredToken"
    with pytest.raises(Parked):
        bench.bake()
    places[:] = ["198.51.100.1/32"] if known else []
    bench.resume()
    opened = [each["IpPermissions"][0]["IpRanges"] for each in asked(bench, "AuthorizeSecurityGroupIngress")]
    assert [cidr["CidrIp"] for ranges in opened for cidr in ranges] == ["203.0.113.7/32", *places]
