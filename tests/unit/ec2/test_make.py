from __future__ import annotations

from dataclasses import replace

import pytest

from amiforge.ec2.key_pair import KeyPair, find_key, import_key
from amiforge.ec2.make import make_once, resend
from amiforge.ec2.network import create_group, find_group
from amiforge.ec2.poll import Pace
from amiforge.ec2.refusal import refused
from amiforge.ec2.tags import Tags
from amiforge.errors import AwsRefused
from tests.unit.ec2.cloud import LOST, Cloud, impatient

TAGS = Tags("run-1", "2099-01-01T00:00:00Z", {"team": "ml"})
PACE = Pace(sleep=lambda _: None)


@pytest.mark.parametrize("fault", ["InternalError", "RequestLimitExceeded", LOST])
def test_a_key_is_imported_once_whatever_happens_to_the_answer(cloud: Cloud, fault: str) -> None:
    cloud.faults[1] = fault
    assert import_key(cloud.clients, TAGS, "builder", KeyPair.new("me")) == "amiforge-run-1-builder"
    assert find_key(cloud.clients, TAGS, "builder") == "amiforge-run-1-builder"


def test_a_group_whose_answers_were_all_lost_is_found_and_opened(cloud: Cloud) -> None:
    vpc = cloud.clients.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    cloud.faults.update({("CreateSecurityGroup", 1): LOST, ("AuthorizeSecurityGroupIngress", 1): LOST})
    group = create_group(cloud.clients, TAGS, vpc, ["192.0.2.1/32"])
    assert find_group(cloud.clients, TAGS) == group
    rules = cloud.clients.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert [(rule["FromPort"], rule["IpRanges"][0]["CidrIp"]) for rule in rules] == [(22, "192.0.2.1/32")]


def test_everything_is_tagged_from_its_first_moment(cloud: Cloud) -> None:
    import_key(cloud.clients, TAGS, "builder", KeyPair.new("me"))
    pair = cloud.clients.ec2.describe_key_pairs()["KeyPairs"][0]
    assert {tag["Key"]: tag["Value"] for tag in pair["Tags"]} == {
        "Name": "amiforge-run-1-builder",
        "amiforge:run": "run-1",
        "amiforge:role": "builder",
        "amiforge:expires": "2099-01-01T00:00:00Z",
        "team": "ml",
    }


def test_a_name_that_somebody_else_took_is_not_ours(cloud: Cloud) -> None:
    cloud.clients.once.import_key_pair(
        KeyName="amiforge-run-1-builder", PublicKeyMaterial=KeyPair.new("them").public.encode()
    )
    with pytest.raises(AwsRefused) as caught:
        import_key(cloud.clients, TAGS, "builder", KeyPair.new("me"))
    assert caught.value.lines["code"] == "InvalidKeyPair.Duplicate"
    assert cloud.calls.count("ImportKeyPair") == 2
    assert 120 <= cloud.clients.pace.clock() < 150


@pytest.mark.parametrize("looks", [1, 5])
def test_what_we_made_ourselves_is_found_though_it_is_not_known_everywhere_yet(looks: int) -> None:
    found = iter([None] * looks + ["ours"])

    def send() -> str:
        raise refused("ImportKeyPair", "InvalidKeyPair.Duplicate", "the name is taken")

    assert make_once(send, lambda: next(found), impatient()) == "ours"


@pytest.mark.parametrize(
    ("code", "seconds"),
    [("RequestLimitExceeded", 50), ("ReadTimeoutError", 50), ("InvalidGroup.NotFound", 120), ("VcpuLimitExceeded", 0)],
)
def test_a_call_with_a_token_is_repeated_for_as_long_as_its_trouble_may_last(code: str, seconds: float) -> None:
    pace = impatient()
    said: list[str] = []

    def send() -> str:
        raise refused("RunInstances", code, "not now")

    with pytest.raises(AwsRefused, match="not now"):
        resend(send, replace(pace, on_wait=lambda what, _, detail: said.append(f"{what}: {detail}")), "an answer", 50)
    assert seconds <= pace.clock() <= seconds + 20
    assert set(said) <= {"an answer: RunInstances: not now"}


def test_a_trouble_that_does_not_pass_is_told_in_the_end() -> None:
    sent: list[int] = []

    def send() -> str:
        sent.append(1)
        raise refused("RunInstances", "InternalError", "again and again")

    with pytest.raises(AwsRefused, match="again and again"):
        make_once(send, lambda: None, PACE)
    assert 3 < len(sent) < 20


def test_a_refusal_for_good_is_not_repeated() -> None:
    sent: list[int] = []

    def send() -> str:
        sent.append(1)
        raise refused("RunInstances", "UnauthorizedOperation", "no")

    with pytest.raises(AwsRefused):
        make_once(send, lambda: None, PACE)
    assert len(sent) == 1


def test_keys_are_ed25519_and_the_private_half_shows_nowhere() -> None:
    key = KeyPair.new("me")
    assert key.public.startswith("ssh-ed25519 AAAA")
    assert key.public.endswith(" me")
    assert key.private.reveal().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert "PRIVATE" not in repr(key)
