"""Amazon Linux 2 has yum 3 and amazon-linux-extras: their words, their refusals, and none of dnf's."""

from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.ec2.source_image import amzn2_image
from amiforge.sandbox.folder import Folder
from tests.sandbox.bench import launched
from tests.sandbox.cloud import Cloud

pytestmark = pytest.mark.sandbox

LOCK = "0:kernel-5.10.235-227.919.amzn2.*"
EXTRAS = "/etc/yum.repos.d/amzn2-extras.repo"
#: sh text, the status it ends with, and what is in its output.
ANSWERS = (
    ("ls /usr/bin/dnf", 2, "No such file"),
    ("yum -q versionlock list", 1, "No such command: versionlock"),
    ("yum -q -y install yum-plugin-versionlock", 0, ""),
    ("yum versionlock add kernel", 0, f"Adding versionlock on: {LOCK}"),
    ("yum -q versionlock list", 0, LOCK),
    ("cat /etc/yum/pluginconf.d/versionlock.list", 0, "kernel-0:5.10.235-227.919.amzn2.*"),
    ("yum -q versionlock delete 'kernel*'", 0, f"Deleting versionlock for: {LOCK}"),
    ("yum -q versionlock delete 'kernel*'", 1, "Error: versionlock delete: no matches"),
    ("yum -y --refresh update", 1, "no such option: --refresh"),
    ("yum module list", 1, "No such command: module"),
    ("yum -q makecache fast", 0, ""),
    ("yum -q check-update --security", 100, "kernel.x86_64"),
    ("amazon-linux-extras list", 0, " 55  kernel-5.10=latest       enabled      [ =stable ]"),
    ("amazon-linux-extras enable nothing", 1, "Topic nothing is not found."),
    ("amazon-linux-extras enable python3.8", 0, " # yum install python38"),
    (f"cat {EXTRAS}", 0, "[amzn2extra-python3.8]\nenabled = 1\nname = Amazon Extras repo for python3.8"),
    ("amazon-linux-extras disable python3.8", 0, " 44 †python3.8                available"),
    ("amazon-linux-extras install -y epel", 0, " 24  epel=latest              enabled"),
    ("yum -q list dkms", 0, "epel"),
)


def test_yum_and_extras_answer_as_those_of_amazon_linux_2(cloud: Cloud, own_folder: Folder, tmp_path: Path) -> None:
    host = launched(cloud, own_folder, amzn2_image()).host(tmp_path)
    for command, status, words in ANSWERS:
        done = host.run(command)
        said = (done.stdout + done.stderr).decode()
        assert (command, done.status) == (command, status), said
        assert words in said, command
    host.close()
