"""Keys: which server we believe to be the one we mean, and what we show it."""

from __future__ import annotations

import base64
from io import StringIO
from pathlib import Path

from paramiko import (
    BadHostKeyException,
    ECDSAKey,
    Ed25519Key,
    HostKeys,
    MissingHostKeyPolicy,
    PasswordRequiredException,
    PKey,
    RSAKey,
    SSHClient,
    SSHException,
)
from paramiko.pkey import UnknownKeyType

from amiforge.errors import AuthRefused, ConfigError, HostKeyMismatch
from amiforge.host.destination import known_name
from amiforge.host.hop import Hop


def trust(client: SSHClient, hop: Hop, pinned: str | None, *, accept_new: bool) -> None:
    """Make a client believe the pinned host key, or else the hop's files of known hosts, and nothing more.

    Args:
        client: a client that has not connected yet.
        hop: the server, under which names and where it is known.
        pinned: public key as `ssh-ed25519 AAAA…`; None for the files.
        accept_new: a server that none of the files knows is welcome, and added to the first one.

    Raises:
        ConfigError: the pinned key is not a public key.
    """
    # What paramiko looks for, whatever name the server is known by.
    name, keys = known_name(hop.address, hop.port), client.get_host_keys()
    client.set_missing_host_key_policy(_Refuse())
    if pinned is not None:
        key = public_key(pinned)
        keys.add(name, key.get_name(), key)
        return
    files = [file.expanduser() for file in hop.known_hosts]
    for file in files:
        if file.is_file():
            for kind, key in (HostKeys(str(file)).lookup(hop.known_as) or {}).items():
                keys.add(name, kind, key)
    if accept_new:
        client.set_missing_host_key_policy(_AcceptNew(files[0], hop.known_as))


def public_key(text: str) -> PKey:
    """Read a public key as it stands in `/etc/ssh/ssh_host_*_key.pub`.

    Raises:
        ConfigError: it is none.
    """
    kind, _, rest = text.strip().partition(" ")
    try:
        return PKey.from_type_string(kind, base64.b64decode(rest.split(" ")[0], validate=True))
    except (SSHException, UnknownKeyType, ValueError, IndexError) as error:
        raise ConfigError(
            f"not a public host key: {text[:60]!r}", reason=str(error), fix="give it as `ssh-ed25519 AAAA…`"
        ) from None


def private_key(key: Path | str) -> PKey:
    """Read a private key from its file or its text.

    Raises:
        ConfigError: there is no such file, or it holds no private key.
        AuthRefused: the key has a passphrase.
    """
    name = str(key) if isinstance(key, Path) else "the key given as text"
    try:
        return PKey.from_path(key.expanduser()) if isinstance(key, Path) else _from_text(key)
    except (PasswordRequiredException, TypeError):
        raise AuthRefused(f"{name} needs a passphrase", fix="ssh-add it, and name no key: the agent is asked") from None
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}", fix="name the private key's file") from None
    except (SSHException, UnknownKeyType, ValueError, IndexError) as error:
        raise ConfigError(
            f"{name} is not a private key", reason=str(error), fix="name the private key's file"
        ) from None


def mismatch(error: BadHostKeyException, name: str) -> HostKeyMismatch:
    """Give our error for a server whose key is not the one we know."""
    return HostKeyMismatch(
        f"{name} is not the machine it was: its host key has changed",
        expected=_described(error.expected_key),
        got=_described(error.key),
        fix=f"if the machine was replaced: ssh-keygen -R '{name}'; if not, somebody is in between",
    )


class _Refuse(MissingHostKeyPolicy):
    """Nobody unknown gets in."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        raise HostKeyMismatch(
            f"the host key of {hostname} is not known",
            got=_described(key),
            fix="pin its host key, add it to known_hosts, or allow new hosts with ssh.accept_new",
        )


class _AcceptNew(MissingHostKeyPolicy):
    """The first key a host shows is remembered."""

    def __init__(self, known: Path, name: str) -> None:
        self._known = known
        self._name = name

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        self._known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._known.open("a") as file:
            file.write(f"{self._name} {key.get_name()} {key.get_base64()}\n")


def _described(key: PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _from_text(text: str) -> PKey:
    for kind in (Ed25519Key, ECDSAKey, RSAKey):
        try:
            return kind.from_private_key(StringIO(text))
        except PasswordRequiredException:
            raise
        except (SSHException, ValueError, IndexError):
            continue
    raise SSHException("no ed25519, ecdsa or rsa key")
