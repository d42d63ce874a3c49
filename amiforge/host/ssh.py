"""A machine reached over SSH: Fabric finds the way and logs in, everything after that is ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any, cast

import fabric
from paramiko import AuthenticationException, BadHostKeyException, Channel, ChannelException, SSHException, Transport

from amiforge.errors import AuthRefused, CommandTimedOut, ConfigError, ConnectionLost, HostError, Unreachable
from amiforge.host.base import OnOutput, Output
from amiforge.host.envelope import KILL_GROUP_OF, Envelope, busy, sudo_refused
from amiforge.host.heartbeat import Heartbeat, Wire
from amiforge.host.known_key import known_name, mismatch, private_key, trust
from amiforge.host.ssh_session import SshSession
from amiforge.host.ssh_settings import Ssh

# paramiko reports every broken connection as an error with a traceback; we raise it, and keep the log for who wants it.
_LOG = "amiforge.paramiko"
logging.getLogger(_LOG).addHandler(logging.NullHandler())


class SshHost:
    """A `Host` over one SSH connection.

    Args:
        address: name, IP address, or alias of the ssh config, whose gateways and proxies are used.
        user: login user; empty for the ssh config's. Anyone but root gets to root with `sudo -n`.
        port: None for the ssh config's, else 22.
        key: the private key's file or its text; None for the agent and the usual files.
        host_key: the server's public key as `ssh-ed25519 AAAA…`; None for known_hosts.
        settings: deadlines, and whom to trust.

    Attributes:
        connections: how often a connection was opened.
        sessions: how many sessions were opened, over all connections.

    Raises:
        ConfigError: the key or host key is none.
    """

    def __init__(  # noqa: PLR0913 - what there is to say about a connection
        self,
        address: str,
        user: str = "",
        *,
        port: int | None = None,
        key: Path | str | None = None,
        host_key: str | None = None,
        settings: Ssh | None = None,
    ) -> None:
        self.settings = settings or Ssh()
        self.connections = 0
        self.sessions = 0
        self._to = (address, user or None, port)
        self._key = private_key(key) if key is not None else None
        self._host_key = host_key
        self._connection: Any = None
        self._heartbeat: Heartbeat | None = None

    @property
    def address(self) -> str:
        """`user@address`, with `:port` where it is not 22."""
        address, user, port = self._to
        shown = f"{user}@{address}" if user else address
        return f"{shown}:{port}" if port not in {None, 22} else shown

    @property
    def connected(self) -> bool:
        """Whether the connection is open, as far as anybody knows."""
        transport = self._transport
        return transport is not None and transport.is_active()

    def connect(self) -> None:
        """Open the connection; does nothing when it is open. See `Host.connect`."""
        if self.connected:
            return
        self.close()
        self._connection = connection = self._dial()
        try:
            self._open(connection)
        except BaseException:
            self.close()
            raise
        self.connections += 1

    def run(self, script: str, *, timeout: float | None = None, on_output: OnOutput | None = None) -> Output:
        """Run sh text as root and wait for its end. See `Host.run`.

        A script that is out of time is killed, with everything it started and did not detach.
        """
        envelope = self._envelope(script)
        with self._channel(envelope) as channel:
            session = SshSession(channel, envelope, on_output or _ignore)
            try:
                whole = session.exchange(lambda: envelope.ended, timeout)
            except CommandTimedOut as error:
                self._kill(envelope)
                raise error.add(host=self.address) from None
        return self._output(envelope, whole=whole)

    @contextmanager
    def hold(self, script: str) -> Iterator[bytes]:
        """Run sh text that lives until its standard input ends. See `Host.hold`."""
        envelope = self._envelope(script)
        with self._channel(envelope) as channel:
            session = SshSession(channel, envelope, _ignore)
            session.exchange(lambda: envelope.ended or envelope.paragraph is not None, end_input=False)
            if envelope.paragraph is None:
                raise busy(self._output(envelope, whole=envelope.ended), self.address)
            try:
                yield envelope.paragraph
            finally:
                # The script sees the end of its input and tidies up by itself; nobody needs to wait for that.
                with suppress(OSError, EOFError):
                    session.end_input()

    def close(self) -> None:
        """Close the connection; never raises."""
        connection, heartbeat = self._connection, self._heartbeat
        self._connection = self._heartbeat = None
        if heartbeat:
            heartbeat.stop()
        while isinstance(connection, fabric.Connection):
            with suppress(Exception):
                _hang_up(connection)
            connection = connection.gateway
        if heartbeat:
            heartbeat.join()

    @property
    def _transport(self) -> Transport | None:
        transport: Transport | None = self._connection.client.get_transport() if self._connection else None
        return transport

    def _dial(self) -> Any:
        """Prepare a connection, and its gateways', to be strict about whom it talks to."""
        address, user, port = self._to
        config = fabric.Config(lazy=True)
        if self.settings.config:
            config.set_runtime_ssh_path(str(self.settings.config.expanduser()))
        try:
            config.load_ssh_config()
        except OSError as error:
            raise ConfigError(
                f"ssh.config: {error.strerror}: {error.filename}", fix="name a file that is there"
            ) from None
        connection = fabric.Connection(address, user=user, port=port, config=config)
        hop, pinned = connection, self._host_key
        while isinstance(hop, fabric.Connection):
            self._prepare(hop)
            trust(hop.client, known_name(hop.host, hop.port), pinned, self.settings)
            hop, pinned = hop.gateway, None
        if self._key is not None:
            connection.connect_kwargs.update(pkey=self._key, key_filename=[], allow_agent=False, look_for_keys=False)
        return connection

    def _prepare(self, hop: Any) -> None:
        settings = self.settings
        # As ssh does, pass over an IdentityFile that is not there; paramiko would fail.
        identities = [name for name in hop.connect_kwargs.get("key_filename", []) if Path(name).expanduser().is_file()]
        hop.client.set_log_channel(_LOG)
        hop.connect_timeout = settings.connect_timeout
        hop.connect_kwargs = {
            **hop.connect_kwargs,
            "key_filename": identities,
            "banner_timeout": settings.auth_timeout,
            "auth_timeout": settings.auth_timeout,
            "channel_timeout": settings.channel_timeout,
            "transport_factory": lambda sock, **options: Transport(cast("socket", Wire(sock)), **options),
        }

    def _open(self, connection: Any) -> None:
        at = f"{connection.host} port {connection.port}"
        try:
            connection.open()
        except BadHostKeyException as error:
            raise mismatch(error, known_name(error.hostname, connection.port)) from None
        except (SSHException, OSError, EOFError) as error:
            raise _refusal(error, connection.user, at, self.settings) from None
        transport = connection.client.get_transport()
        self._heartbeat = Heartbeat(transport, transport.sock, self.settings.silence)
        self._heartbeat.start()

    def _envelope(self, script: str) -> Envelope:
        if self._connection is None:
            raise ConnectionLost(f"{self.address} is not connected", fix="call connect() first")
        return Envelope(script, sudo=self._connection.user != "root")

    @contextmanager
    def _channel(self, envelope: Envelope) -> Iterator[Channel]:
        """Start an envelope's command in a session of its own."""
        transport = self._transport
        if transport is None or not transport.is_active():
            raise self._lost()
        try:
            channel = transport.open_session(timeout=self.settings.channel_timeout)
            channel.exec_command(envelope.command)
        except ChannelException as error:
            raise HostError(
                f"{self.address} refuses another session: {error.text}", fix="raise MaxSessions in its sshd_config"
            ) from None
        except (SSHException, OSError, EOFError) as error:
            transport.close()
            raise self._lost(str(error)) from None
        self.sessions += 1
        try:
            yield channel
        finally:
            channel.close()

    def _output(self, envelope: Envelope, *, whole: bool) -> Output:
        """Give what a script left behind, or say what became of it."""
        if whole and envelope.begun:
            return envelope.output
        if whole:
            raise sudo_refused(envelope, self.address)
        transport = self._transport
        if transport is not None:
            transport.join(_VERDICT)
        if transport is None or not transport.is_active():
            raise self._lost()
        if envelope.begun:
            raise self._lost("the session ended without an exit status")
        raise AuthRefused(
            f"{self.address} accepted our key but runs no command",
            said=envelope.noise,
            fix="log in as the image's own user: ec2-user on Amazon Linux, ubuntu on Ubuntu",
        )

    def _lost(self, reason: str = "") -> ConnectionLost:
        verdict = self._heartbeat.verdict if self._heartbeat else ""
        return ConnectionLost(
            f"the connection to {self.address} was lost", reason=verdict or reason or "the server closed it"
        )

    def _kill(self, envelope: Envelope) -> None:
        """End what a script started: sshd gives every session a process group of its own."""
        if envelope.pid:
            with suppress(HostError, CommandTimedOut):
                self.run(KILL_GROUP_OF.format(envelope.pid), timeout=_RELEASE)


def _hang_up(hop: Any) -> None:
    transport = hop.client.get_transport()
    hop.client.close()
    if transport is not None:
        transport.join(_VERDICT)
        transport.sock.reap()


def _ignore(_data: bytes) -> None:
    """Take output nobody asked for."""


def _refusal(error: Exception, user: str, at: str, settings: Ssh) -> HostError:
    """Give our error for a connection that did not come about."""
    text = str(error)
    timed_out = isinstance(error, TimeoutError) or "timeout" in text.lower()
    refused = isinstance(error, AuthenticationException) or "authentication methods" in text
    if refused and not timed_out:
        return AuthRefused(
            f"{at} does not let {user} in",
            reason=text,
            fix="check the user name and the key, and that the key's public half is in authorized_keys",
        )
    deadlines = f"connect {settings.connect_timeout:g} s, login {settings.auth_timeout:g} s"
    return Unreachable(
        f"no SSH connection to {at}",
        reason=text or type(error).__name__,
        deadline=deadlines,
        fix="check the address, that the machine runs, and that its security group lets you in",
    )


#: Seconds a held script gets for its own tidying up, or the killing of a script may take.
_RELEASE = 5.0
#: Seconds within which a dead connection shows as such, after its sessions have ended.
_VERDICT = 0.5
