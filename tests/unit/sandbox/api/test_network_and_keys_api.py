from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from tests.unit.sandbox.api.fakes import refused

if TYPE_CHECKING:
    from tests.unit.sandbox.api.fakes import Cloud

pytestmark = pytest.mark.sockets


def fresh_public_key() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_an_imported_key_reaches_the_machine(cloud: Cloud) -> None:
    public = fresh_public_key()
    tags = [{"ResourceType": "key-pair", "Tags": [{"Key": "run", "Value": "r1"}]}]
    cloud.client().import_key_pair(KeyName="k", PublicKeyMaterial=f"{public} me", TagSpecifications=tags)
    assert cloud.machines.made[cloud.launch(KeyName="k")["InstanceId"]].public_keys == (f"{public} me",)
    by_tag = [{"Name": "tag:run", "Values": ["r1"]}]
    assert [one["KeyName"] for one in cloud.client().describe_key_pairs(Filters=by_tag)["KeyPairs"]] == ["k"]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_created_key_is_real(cloud: Cloud, kind: str) -> None:
    material = cloud.client().create_key_pair(KeyName="k", KeyType=kind)["KeyMaterial"]
    if kind == "ed25519":
        public = load_ssh_private_key(material.encode(), None).public_key()
        expected = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        assert cloud.machines.made[cloud.launch(KeyName="k")["InstanceId"]].public_keys == (expected,)
    else:
        assert material.startswith("-----BEGIN RSA PRIVATE KEY-----")


def test_a_key_name_is_unique(cloud: Cloud) -> None:
    cloud.client().import_key_pair(KeyName="k", PublicKeyMaterial=fresh_public_key())
    with pytest.raises(ClientError) as error:
        cloud.client().import_key_pair(KeyName="k", PublicKeyMaterial=fresh_public_key())
    assert refused(error) == "InvalidKeyPair.Duplicate"


def test_a_key_is_described_and_deleted_by_id(cloud: Cloud) -> None:
    ec2 = cloud.client()
    key_id = ec2.import_key_pair(KeyName="k", PublicKeyMaterial=fresh_public_key())["KeyPairId"]
    assert ec2.describe_key_pairs(KeyPairIds=[key_id])["KeyPairs"][0]["KeyName"] == "k"
    ec2.delete_key_pair(KeyPairId=key_id)
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    with pytest.raises(ClientError) as error:
        ec2.delete_key_pair(KeyPairId=key_id)
    assert refused(error) == "InvalidKeyPair.NotFound"
    ec2.delete_key_pair(KeyName="k")


def test_a_security_group_in_use_cannot_be_deleted(cloud: Cloud) -> None:
    ec2 = cloud.client()
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "run", "Value": "r1"}]}]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc, TagSpecifications=tags)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="127.0.0.1/32")
    by_tag = [{"Name": "tag:run", "Values": ["r1"]}]
    assert ec2.describe_security_groups(Filters=by_tag)["SecurityGroups"][0]["GroupId"] == group
    instance_id = cloud.running(SecurityGroupIds=[group])
    with pytest.raises(ClientError) as error:
        ec2.delete_security_group(GroupId=group)
    assert refused(error) == "DependencyViolation"
    ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.reach(instance_id, "terminated")
    ec2.delete_security_group(GroupId=group)
    with pytest.raises(ClientError) as error:
        ec2.delete_security_group(GroupId=group)
    assert refused(error) == "InvalidGroup.NotFound"


def test_who_am_i_is_answered(cloud: Cloud) -> None:
    assert cloud.client("sts").get_caller_identity()["Account"] == "123456789012"
