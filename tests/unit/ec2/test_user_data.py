from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from amiforge.ec2.key_pair import KeyPair
from amiforge.ec2.user_data import first_boot


def test_user_data_makes_our_key_the_one_host_key_and_arms_the_switch_at_each_boot() -> None:
    key = KeyPair.new("host")
    head, _, body = first_boot(key, 3600.4).partition("\n")
    assert head == "#cloud-config"
    config = json.loads(body)
    ((*command, seconds),) = config.pop("bootcmd")
    assert config == {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": key.private.reveal(), "ed25519_public": key.public},
    }
    assert command[:2] == ["sh", "-c"]
    assert seconds == "3600"


@pytest.mark.shell
def test_without_systemd_the_boot_goes_on(tmp_path: Path) -> None:
    command = json.loads(first_boot(KeyPair.new("host"), 1).partition("\n")[2])["bootcmd"][0]
    if Path("/run/systemd/system").exists():
        pytest.skip("this machine has a service manager")
    assert subprocess.run(command, check=False, cwd=tmp_path).returncode == 0
