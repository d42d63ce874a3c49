from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from paramiko import ECDSAKey, Ed25519Key

from amiforge.errors import AuthRefused, ConfigError
from amiforge.host.destination import known_name
from amiforge.host.known_key import private_key, public_key
from amiforge.host.ssh import SshHost


def ed25519(encryption: KeySerializationEncryption | None = None) -> str:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption or NoEncryption())
    return pem.decode()


def test_private_key_is_read_from_text_and_file_alike(tmp_path: Path) -> None:
    text = ed25519()
    path = tmp_path / "key"
    path.write_text(text)
    assert private_key(text) == private_key(path) == Ed25519Key.from_private_key(StringIO(text))


def test_ecdsa_text_is_read_too() -> None:
    written = StringIO()
    ECDSAKey.generate().write_private_key(written)
    assert private_key(written.getvalue()).get_name() == "ecdsa-sha2-nistp256"


@pytest.mark.parametrize("key", ["", "nonsense", Path("/nonexistent/key"), Path("/dev/null")])
def test_what_is_no_private_key_is_refused_before_anything_connects(key: Path | str) -> None:
    with pytest.raises(ConfigError) as refused:
        SshHost("host", "user", key=key)
    assert refused.value.lines["fix"]


def test_passphrase_is_said_to_be_needed(tmp_path: Path) -> None:
    text = ed25519(BestAvailableEncryption(b"hunter2"))
    path = tmp_path / "key"
    path.write_text(text)
    for key in (text, path):
        with pytest.raises(AuthRefused, match="passphrase"):
            private_key(key)


def test_text_of_a_refused_key_is_not_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        private_key("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n")
    assert "hunter2" not in refused.value.block()


def test_public_key_is_read_with_or_without_comment() -> None:
    key = private_key(ed25519())
    text = f"ssh-ed25519 {key.get_base64()}"
    assert public_key(text) == public_key(f"{text} root@host\n") == key


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3M="])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        public_key(text)


def test_known_hosts_writes_only_odd_ports() -> None:
    assert (known_name("h", 22), known_name("h", 2222)) == ("h", "[h]:2222")
