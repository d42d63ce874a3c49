"""What an instance is told for its first boot."""

from __future__ import annotations

import json

from amiforge.ec2.key_pair import KeyPair


def pin_host_key(host_key: KeyPair) -> str:
    """Give cloud-init user data that makes a key of ours the instance's one host key, so that we know it beforehand.

    Source: cloud-init documentation, module "SSH" (`ssh_keys`, `ssh_deletekeys`). JSON is YAML, too.
    """
    config = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key.private.reveal(), "ed25519_public": host_key.public},
    }
    return f"#cloud-config\n{json.dumps(config)}\n"
