"""The way to a host: the ssh servers that a connection passes, as settings and ssh config have them."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amiforge.errors import ConfigError
from amiforge.host.destination import SSH_PORT, Destination, jumps, known_name
from amiforge.host.ssh_config import SshConfig
from amiforge.host.ssh_settings import Ssh

_SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"


@dataclass(frozen=True, slots=True)
class Hop:
    """A server on the way; the last one is the host itself.

    Attributes:
        written: as it was asked for.
        address: what is connected to.
        port: TCP port there.
        user: who logs in.
        proxy: command that is the connection; empty for TCP, and for whoever is reached through the hop before.
        identities: private keys to show.
        identities_only: no others, also if the agent has some.
        known_as: its name in known_hosts.
        known_hosts: files that may know it.
        connect_timeout: seconds until session keys are agreed on.
        silence: seconds without an answer until the link is dead.
    """

    written: str
    address: str
    port: int
    user: str
    proxy: str
    identities: tuple[Path, ...]
    identities_only: bool
    known_as: str
    known_hosts: tuple[Path, ...]
    connect_timeout: float
    silence: float

    def __str__(self) -> str:
        return f"{self.address} port {self.port}"


def hops(to: Destination, settings: Ssh, config: SshConfig) -> tuple[Hop, ...]:
    """Give the way to a host, the first server to be connected to first.

    Raises:
        ConfigError: jump hosts are written wrong or go in a circle, or an option of the ssh config has no such value.
    """
    options = config.of(to.address, to.user)
    before, proxy = jumps(settings.jump), settings.proxy
    if not (before or proxy):
        before, proxy = _own_way(to.address, options)
    elif proxy:
        before = ()
    trust = (settings.known_hosts,) if "known_hosts" in settings.model_fields_set else _known_hosts(options, settings)
    target = _hop(to, options, settings, proxy, trust)
    return (*_through(before, settings, config, (_place(to),)), target)


def _through(
    servers: tuple[Destination, ...], settings: Ssh, config: SshConfig, trail: tuple[str, ...]
) -> Iterator[Hop]:
    """Give hops through jump hosts. How the first is reached is its own affair; each other one is through the last."""
    for place, server in enumerate(servers):
        options, proxy = config.of(server.address, server.user), ""
        if place == 0:
            if _place(server) in trail:
                raise ConfigError(
                    f"the jump hosts of {trail[0]} go in a circle: {' ← '.join((*trail, _place(server)))}",
                    fix="give the jump host a block of its own in the ssh config, with `ProxyJump none`",
                )
            before, proxy = _own_way(server.address, options)
            yield from _through(before, settings, config, (*trail, _place(server)))
        # What pins the host says nothing of the servers before it; those are the user's own.
        trust = (settings.known_hosts, *_known_hosts(options, settings))
        yield _hop(server, options, settings, proxy, trust)


def _place(server: Destination) -> str:
    return known_name(server.address, server.port or SSH_PORT)


def _own_way(address: str, options: Mapping[str, Any]) -> tuple[tuple[Destination, ...], str]:
    """Give jump hosts or proxy command of a host, whichever the ssh config has first."""
    first = next((name for name in options if name in {"proxyjump", "proxycommand"}), "")
    if first == "proxyjump":
        through = jumps(str(options[first]))
        # A block for all hosts covers the jump host, too.
        return (() if address in {each.address for each in through} else through), ""
    proxy = options.get(first)
    return (), "" if proxy is None or proxy.lower() == "none" else proxy


def _hop(to: Destination, options: Mapping[str, Any], settings: Ssh, proxy: str, trust: tuple[Path, ...]) -> Hop:
    address = options["hostname"]
    port = to.port or _number(options, "port", SSH_PORT)
    user = to.user or options.get("user") or getpass.getuser()
    timeout = settings.proxy_timeout if proxy else settings.connect_timeout
    silence = settings.silence
    if not proxy and "connect_timeout" not in settings.model_fields_set:
        timeout = _number(options, "connecttimeout", timeout) or timeout
    if "silence" not in settings.model_fields_set:
        asked = _number(options, "serveraliveinterval", 0) * _number(options, "serveralivecountmax", 3)
        silence = asked or silence
    return Hop(
        written=to.address,
        address=address,
        port=int(port),
        user=user,
        proxy=_filled(proxy, {"%": "%", "h": address, "n": to.address, "p": str(int(port)), "r": user}),
        identities=tuple(Path(name).expanduser() for name in options.get("identityfile", ()) if name != "none"),
        identities_only=str(options.get("identitiesonly")).lower() == "yes",
        known_as=options.get("hostkeyalias") or known_name(address, int(port)),
        known_hosts=trust,
        connect_timeout=timeout,
        silence=silence,
    )


def _known_hosts(options: Mapping[str, Any], settings: Ssh) -> tuple[Path, ...]:
    users = options.get("userknownhostsfile") or str(settings.known_hosts)
    named = f"{users} {options.get('globalknownhostsfile') or _SYSTEM_KNOWN_HOSTS}"
    return tuple(Path(name) for name in named.split() if name != "none")


def _number(options: Mapping[str, Any], name: str, default: float) -> float:
    """Read an option of seconds or a count; ssh's units are seconds to weeks, as `1h30m`."""
    text = str(options.get(name) or "").lower()
    if text in {"", "none"}:
        return default
    parts = re.fullmatch(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text)
    if parts is None:
        raise ConfigError(f"ssh config: {name} {text}: not a number", fix="write a number")
    return sum(int(part or 0) * unit for part, unit in zip(parts.groups(), _UNITS, strict=True))


def _filled(command: str, tokens: Mapping[str, str]) -> str:
    """Fill in the tokens of a proxy command. Source: TOKENS in ssh_config(5)."""

    def fill(match: re.Match[str]) -> str:
        if match[1] not in tokens:
            raise ConfigError(f"proxy command: %{match[1]} stands for nothing: {command}", fix="write %% for a %")
        return tokens[match[1]]

    return re.sub(r"%(.?)", fill, command)


_UNITS = (604_800, 86_400, 3_600, 60, 1)
