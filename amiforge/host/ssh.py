"""A machine reached over SSH."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

from paramiko import Channel, ChannelException, SSHException, Transport

from amiforge.errors import AuthRefused, CommandTimedOut, ConnectionLost, HostError
from amiforge.host.base import OnOutput, Output
from amiforge.host.chain import VERDICT, Chain
from amiforge.host.destination import SSH_PORT, Destination
from amiforge.host.envelope import KILL_GROUP_OF, Envelope, busy, sudo_refused
from amiforge.host.heartbeat import Heartbeat, Wire
from amiforge.host.hop import hops
from amiforge.host.known_key import private_key
from amiforge.host.ssh_config import SshConfig, not_followed
from amiforge.host.ssh_session import SshSession
from amiforge.host.ssh_settings import Ssh

_LOGGER = logging.getLogger(__name__)


class SshHost:
    """A `Host` over one SSH connection.

    Args:
        address: name, IP address, or alias of the ssh config, whose gateways and proxies are used.
        user: login user; empty for the ssh config's. Anyone but root gets to root with `sudo -n`.
        port: None for the ssh config's, else 22.
        key: the private key's file or its text; None for the agent and the usual files.
        host_key: the server's public key as `ssh-ed25519 AAAA…`; None for known_hosts.
        settings: deadlines, the way there, and whom to trust.

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
        self._to = Destination(address, user, port)
        self._key = private_key(key) if key is not None else None
        self._jump_key = private_key(self.settings.jump_key) if self.settings.jump_key else None
        self._host_key = host_key
        self._chain: Chain | None = None
        self._heartbeat: Heartbeat | None = None

    @property
    def address(self) -> str:
        """`user@address`, with `:port` where it is not 22."""
        return str(replace(self._to, port=None) if self._to.port == SSH_PORT else self._to)

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
        self._chain = chain = self._dial()
        try:
            transport = chain.open()
        except BaseException:
            self.close()
            raise
        self._heartbeat = Heartbeat(transport, cast("Wire", transport.sock), chain.silence)
        self._heartbeat.start()
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
        chain, heartbeat = self._chain, self._heartbeat
        self._chain = self._heartbeat = None
        if heartbeat:
            heartbeat.stop()
        if chain:
            chain.close()
        if heartbeat:
            heartbeat.join()

    @property
    def _transport(self) -> Transport | None:
        return self._chain.transport if self._chain else None

    def _dial(self) -> Chain:
        """Prepare the connection, strict about everybody on its way."""
        config = SshConfig.read(self.settings.config)
        way = hops(self._to, self.settings, config)
        if not self.connections:
            for warning in (*config.warnings, *not_followed(config.of(self._to.address, self._to.user))):
                _LOGGER.warning("ssh config, for %s: not followed: %s", self._to.address, warning)
        return Chain(way, self._key, self._jump_key, self._host_key, self.settings)

    def _envelope(self, script: str) -> Envelope:
        if self._chain is None:
            raise ConnectionLost(f"{self.address} is not connected", fix="call connect() first")
        return Envelope(script, sudo=self._chain.user != "root")

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
            transport.join(VERDICT)
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
        proxy, said = self._chain.proxy_ended() if self._chain else ("", "")
        return ConnectionLost(
            f"the connection to {self.address} was lost",
            reason=verdict or proxy or reason or "the server closed it",
            said=said,
        )

    def _kill(self, envelope: Envelope) -> None:
        """End what a script started: sshd gives every session a process group of its own."""
        if envelope.pid:
            with suppress(HostError, CommandTimedOut):
                self.run(KILL_GROUP_OF.format(envelope.pid), timeout=_RELEASE)


def _ignore(_data: bytes) -> None:
    """Take output nobody asked for."""


#: Seconds a held script gets for its own tidying up, or the killing of a script may take.
_RELEASE = 5.0
