"""The connections that lead to a host: its own, through those of the jump hosts, or through a proxy command."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Any, cast

import fabric
from paramiko import (
    Agent,
    AuthenticationException,
    BadHostKeyException,
    ChannelException,
    PKey,
    SSHConfig,
    SSHException,
    Transport,
)

from amiforge.errors import AuthRefused, HostError, Unreachable
from amiforge.host.heartbeat import Wire
from amiforge.host.hop import Hop
from amiforge.host.known_key import mismatch, trust
from amiforge.host.proxy import Proxy
from amiforge.host.ssh_settings import Ssh

# paramiko reports every broken connection as an error with a traceback; we raise it, and keep the log for who wants it.
_LOG = "amiforge.paramiko"
logging.getLogger(_LOG).addHandler(logging.NullHandler())


class Chain:
    """Opens one connection through the other.

    Args:
        way: the servers, the host itself last.
        key: the private key for the host; None for its identities, the agent and the usual files.
        jump_key: the same for the servers before it.
        host_key: the host's pinned public key; the servers before it must be in known_hosts.
        settings: deadlines.
    """

    def __init__(
        self, way: Sequence[Hop], key: PKey | None, jump_key: PKey | None, host_key: str | None, settings: Ssh
    ) -> None:
        self._way = way
        self._key = key
        self._jump_key = jump_key
        self._host_key = host_key
        self._settings = settings
        self._open: list[Any] = []
        self._proxy: Proxy | None = None
        self._agent: Agent | None = None

    @property
    def user(self) -> str:
        """Who logs in to the host."""
        return self._way[-1].user

    @property
    def silence(self) -> float:
        """Seconds without an answer of the host until its link is dead."""
        return self._way[-1].silence

    @property
    def transport(self) -> Transport | None:
        """The host's own connection, if all are open."""
        if len(self._open) < len(self._way):
            return None
        return cast("Transport | None", self._open[-1].client.get_transport())

    def open(self) -> Transport:
        """Open all of them, and give the host's own.

        Raises:
            Unreachable: one of the servers did not answer in time; says which, and what a proxy command said.
            AuthRefused: one of them refused the user.
            HostKeyMismatch: one of them is not who it should be.
        """
        *before, target = self._way
        transport = None
        try:
            for hop in before:
                transport = self._connect(hop, transport, self._jump_key)
            return self._connect(target, transport, self._key, self._host_key)
        except HostError as error:
            passed = self._way[: max(0, len(self._open) - 1)]
            raise error.add(through=" → ".join(str(hop) for hop in passed)) from None

    def proxy_ended(self) -> tuple[str, str]:
        """Say how the proxy command ended, and its last words; empty while it runs, or if there is none."""
        ended = self._proxy.ended() if self._proxy else ""
        return (ended, self._proxy.said()) if self._proxy and ended else ("", "")

    def close(self) -> None:
        """Close all of them; never raises."""
        while self._open:
            with suppress(Exception):
                _hang_up(self._open.pop())
        if self._proxy:
            self._proxy.reap()
        if self._agent:
            self._agent.close()

    def _connect(self, hop: Hop, before: Transport | None, key: PKey | None, host_key: str | None = None) -> Transport:
        started = time.monotonic()
        connection = self._prepared(hop, key)
        trust(connection.client, hop, host_key, accept_new=self._settings.accept_new)
        self._open.append(connection)
        try:
            if before is not None:
                connection.connect_kwargs["sock"] = _through(before, hop)
            elif hop.proxy:
                connection.connect_kwargs["sock"] = self._proxy = Proxy(hop.proxy)
            connection.open()
        except BadHostKeyException as error:
            raise mismatch(error, hop.known_as) from None
        except (SSHException, OSError, EOFError) as error:
            raise self._refusal(error, hop, time.monotonic() - started) from None
        return cast("Transport", connection.client.get_transport())

    def _prepared(self, hop: Hop, key: PKey | None) -> Any:
        """Give a connection that follows the hop, and nothing that Fabric may have read elsewhere."""
        config = fabric.Config(lazy=True, ssh_config=SSHConfig())
        connection = fabric.Connection(hop.address, user=hop.user, port=hop.port, config=config, gateway=False)
        connection.client.set_log_channel(_LOG)
        connection.connect_timeout = hop.connect_timeout
        connection.connect_kwargs = {
            **(_only(key) if key else self._identities(hop)),
            "banner_timeout": max(hop.connect_timeout, self._settings.auth_timeout),
            "auth_timeout": self._settings.auth_timeout,
            "channel_timeout": self._settings.channel_timeout,
            "transport_factory": lambda sock, **options: Transport(cast("socket", Wire(sock)), **options),
        }
        return connection

    def _identities(self, hop: Hop) -> dict[str, Any]:
        # As ssh does, pass over an IdentityFile that is not there; paramiko would fail.
        files = [file for file in hop.identities if file.is_file()]
        names = [str(file) for file in files]
        if not (hop.identities_only and files):
            return {"key_filename": names}
        # A file may have a passphrase that only the agent knows.
        self._agent = self._agent or Agent()
        public = {_blob(Path(f"{name}.pub")) for name in names}
        named = next((key for key in self._agent.get_keys() if key.get_base64() in public), None)
        return _only(named) if named else {**_only(None), "key_filename": names}

    def _refusal(self, error: Exception, hop: Hop, seconds: float) -> HostError:
        """Give our error for a connection that did not come about."""
        text = str(error) or type(error).__name__
        timed_out = isinstance(error, TimeoutError) or "timeout" in text.lower()
        refused = isinstance(error, AuthenticationException) or "authentication methods" in text
        if refused and not timed_out:
            return AuthRefused(
                f"{hop} does not let {hop.user} in",
                reason=text,
                fix="check the user name and the key, and that the key's public half is in authorized_keys",
            )
        late = f"no answer within {hop.connect_timeout:g} s" if seconds >= hop.connect_timeout else ""
        proxy = self._proxy if hop.proxy else None
        return Unreachable(
            f"no SSH connection to {hop}",
            reason=(proxy.ended() if proxy else "") or late or text,
            said=proxy.said() if proxy else "",
            proxy=hop.proxy,
            deadline=f"connect {hop.connect_timeout:g} s, login {self._settings.auth_timeout:g} s",
            fix=_fix(error, hop),
        )


def _through(transport: Transport, hop: Hop) -> Any:
    """Ask a jump host for a connection to the next server."""
    return transport.open_channel("direct-tcpip", (hop.address, hop.port), ("", 0), timeout=hop.connect_timeout)


def _blob(file: Path) -> str:
    """Give what is the key itself in a public key's file."""
    with suppress(OSError, IndexError, UnicodeDecodeError):
        return file.read_text().split()[1]
    return ""


def _only(key: PKey | None) -> dict[str, Any]:
    return {"pkey": key, "key_filename": [], "allow_agent": False, "look_for_keys": False}


def _fix(error: Exception, hop: Hop) -> str:
    if isinstance(error, ChannelException):
        return "check that the jump host may forward TCP (AllowTcpForwarding), and that it reaches the address itself"
    if hop.proxy:
        return "run the proxy command by hand: it should answer with a line that begins with SSH-2.0"
    return "check the address, that the machine runs, and that its security group lets you in"


def _hang_up(connection: Any) -> None:
    transport = connection.client.get_transport()
    connection.client.close()
    if transport is not None:
        transport.join(VERDICT)


#: Seconds within which a dead connection shows as such, after its sessions have ended.
VERDICT = 0.5
