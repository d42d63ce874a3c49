"""This machine's own address, as a builder sees it that is connected to over the internet."""

from __future__ import annotations

import ipaddress
import os
import urllib.request

from amiforge.ec2.poll import Pace
from amiforge.errors import ConfigError

#: Answers with the address that a request comes from. Source: "checkip", AWS general reference and SDK examples.
WHO_AM_I = "https://checkip.amazonaws.com"
_TRIES = 3
_FIX = "set builder.ingress to the CIDR that this machine connects from, as EC2 sees it"


def public_address(pace: Pace) -> ipaddress.IPv4Address:
    """Ask for it, some times if need be, and never through a web proxy: SSH does not go through that one.

    Raises:
        ConfigError: nobody answered, or not with an IPv4 address.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    reason = ""
    for attempt in range(_TRIES):
        pace.sleep(attempt)
        try:
            with direct.open(WHO_AM_I, timeout=10) as answer:
                return _read(answer.read(64).decode("ascii", "replace").strip())
        except OSError as error:
            reason = str(error)
    raise ConfigError(f"this machine's own address could not be found out: {reason}{_behind_proxy()}", fix=_FIX)


def _read(answer: str) -> ipaddress.IPv4Address:
    try:
        address = ipaddress.ip_address(answer)
    except ValueError:
        raise ConfigError(f"{WHO_AM_I} answered with no address: {answer[:40]!r}", fix=_FIX) from None
    if isinstance(address, ipaddress.IPv6Address):
        raise ConfigError(
            f"this machine goes to the internet from {address}, and the builder's public address is an IPv4 one",
            fix=_FIX,
        )
    return address


def _behind_proxy() -> str:
    proxy = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY")
    return "; it is behind a web proxy, whose address would not be the one that SSH comes from" if proxy else ""
