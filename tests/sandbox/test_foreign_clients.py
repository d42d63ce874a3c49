"""Programs nobody here wrote, pointed at the endpoint: they cannot tell it from EC2."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.cloud import Cloud

pytestmark = pytest.mark.sandbox

AWS = shutil.which("aws", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
PACKER = shutil.which("packer")


class AwsCli:
    """The AWS command line, told where to go by the environment alone."""

    def __init__(self, cloud: Cloud, home: Path) -> None:
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home), **cloud.endpoint.environment()}

    def __call__(self, *words: str) -> Any:
        command = [AWS or "aws", "--output", "json", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.mark.skipif(AWS is None, reason="the AWS command line is not installed: pip install awscli")
def test_the_aws_command_line_launches_bakes_and_launches_again(cloud: Cloud, tmp_path: Path) -> None:
    aws = AwsCli(cloud, tmp_path)
    launch = ("ec2", "run-instances", "--instance-type", "m6i.large", "--key-name", cloud.key_name)
    builder = aws(*launch, "--image-id", cloud.source(), "--user-data", "#!/bin/sh\ntouch /etc/by-user-data")
    builder_id = builder["Instances"][0]["InstanceId"]
    cloud.ssh(builder_id, "cloud-init status --wait && sudo cp /etc/by-user-data /etc/by-cli")
    aws("ec2", "stop-instances", "--instance-ids", builder_id)
    cloud.reach(builder_id, "stopped")
    image_id = aws("ec2", "create-image", "--instance-id", builder_id, "--name", "by-the-command-line")["ImageId"]
    aws("ec2", "wait", "image-available", "--image-ids", image_id)
    copy_id = aws(*launch, "--image-id", image_id)["Instances"][0]["InstanceId"]
    assert cloud.ssh(copy_id, "ls /etc/by-cli") == "/etc/by-cli"
    ended = aws("ec2", "terminate-instances", "--instance-ids", builder_id, copy_id)["TerminatingInstances"]
    assert {one["CurrentState"]["Name"] for one in ended} <= {"shutting-down", "terminated"}


@pytest.mark.skipif(PACKER is None, reason="Packer is not installed: apt-get install packer")
def test_packers_amazon_ebs_builder_makes_an_image_that_boots(cloud: Cloud, tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    template.write_text(json.dumps(packer_template(cloud)))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PACKER_CONFIG_DIR": str(tmp_path),
        "CHECKPOINT_DISABLE": "1",
        "AWS_POLL_DELAY_SECONDS": "1",
    }
    command = [PACKER or "packer", "build", "-color=false", "-machine-readable", str(template)]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout[-4000:]
    images = cloud.client().describe_images(Owners=["self"], Filters=[{"Name": "tag:by", "Values": ["packer"]}])
    image = images["Images"][0]
    assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 30
    assert cloud.ssh(cloud.running(image["ImageId"]), "cat /etc/by-packer") == "hello"
    groups = cloud.client().describe_security_groups()["SecurityGroups"]
    assert [group["GroupName"] for group in groups] == ["default"]


def packer_template(cloud: Cloud) -> dict[str, Any]:
    """Give a template with a temporary security group, tags, a bigger volume, and our own key.

    Packer 1.6 knows RSA keys only, and signs with SHA-1, which no sshd of today takes.
    """
    builder = {
        "type": "amazon-ebs",
        "access_key": cloud.endpoint.access_key_id,
        "secret_key": cloud.endpoint.secret_access_key,
        "region": cloud.endpoint.region,
        "custom_endpoint_ec2": cloud.endpoint.url,
        "skip_region_validation": True,
        "skip_metadata_api_check": True,
        "source_ami_filter": {
            "filters": {"name": "al2023-ami-2023.*", "virtualization-type": "hvm", "root-device-type": "ebs"},
            "owners": ["amazon"],
            "most_recent": True,
        },
        "instance_type": "m6i.large",
        "ssh_username": "ec2-user",
        "ssh_keypair_name": cloud.key_name,
        "ssh_private_key_file": str(cloud.key),
        "ami_name": "by-packer-{{timestamp}}",
        "run_tags": {"by": "packer"},
        "run_volume_tags": {"by": "packer"},
        "tags": {"by": "packer"},
        "snapshot_tags": {"by": "packer"},
        "launch_block_device_mappings": [
            {
                "device_name": "/dev/xvda",
                "volume_size": 30,
                "volume_type": "gp3",
                "iops": 3000,
                "throughput": 125,
                "delete_on_termination": True,
            }
        ],
    }
    return {
        "builders": [builder],
        "provisioners": [{"type": "shell", "inline": ["echo hello | sudo tee /etc/by-packer"]}],
    }
