"""Temporary ed25519 keys, made on this machine: one to log in with, one for the instance to show as its host key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from amiforge.ec2.make import make_once
from amiforge.ec2.session import Clients
from amiforge.ec2.tags import Tags
from amiforge.shell import Secret


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An ed25519 key: `private` in OpenSSH's PEM format, `public` as one line of authorized_keys."""

    private: Secret
    public: str

    @classmethod
    def new(cls, comment: str) -> Self:
        """Make a key; the comment says whose it is."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow to load
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above

        private = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        return cls.of(Secret(private.decode()), comment)

    @classmethod
    def of(cls, private: Secret, comment: str) -> Self:
        """Give the pair that a private key belongs to.

        Raises:
            ValueError: the text is no private key.
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow to load

        key = serialization.load_ssh_private_key(private.reveal().encode(), password=None)
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return cls(private, f"{public.decode()} {comment}")

    @property
    def blob(self) -> str:
        """The public key without type and comment: what identifies it wherever it stands."""
        return self.public.split()[1]


def key_name(tags: Tags, role: str) -> str:
    """Give the name of the run's key pair for a role."""
    return f"amiforge-{tags.run}-{role}"


def find_key(clients: Clients, tags: Tags, role: str) -> str | None:
    """Give the name of the run's key pair for a role, if it is there."""
    pairs = clients.ec2.describe_key_pairs(Filters=tags.filters(role))["KeyPairs"]
    return pairs[0]["KeyName"] if pairs else None


def import_key(clients: Clients, tags: Tags, role: str, key: KeyPair) -> str:
    """Make the public half known to EC2 and give its name there; the private half never leaves this machine."""
    name = key_name(tags, role)
    return make_once(
        lambda: clients.once.import_key_pair(
            KeyName=name,
            PublicKeyMaterial=key.public.encode(),
            TagSpecifications=tags.temporary(role, "key-pair"),
        )["KeyName"],
        lambda: find_key(clients, tags, role),
        clients.pace,
    )


def delete_keys(clients: Clients, tags: Tags) -> Iterator[str]:
    """Delete all key pairs of the run; nothing is ever left over by EC2 itself."""
    for pair in clients.ec2.describe_key_pairs(Filters=tags.filters())["KeyPairs"]:
        clients.ec2.delete_key_pair(KeyName=pair["KeyName"])
    return iter(())
