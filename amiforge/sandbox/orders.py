"""Order faults from a sandbox that runs, look at them and clear them."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from amiforge.errors import ConfigError, SandboxUnavailable
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.faults import Fault

_TIMEOUT = 30.0


def order(endpoint: Endpoint, fault: Fault) -> None:
    """Order a fault; it counts at once.

    Raises:
        ConfigError: it names something that is not there.
        SandboxUnavailable: the sandbox does not answer.
    """
    _ask(endpoint, "POST", fault.model_dump_json().encode())


def listing(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Give the faults that can still hit, or last, as JSON values.

    `times` is how often they still can: 0 for one that lasts, None for one that is there until it is cleared.

    Raises:
        SandboxUnavailable: the sandbox does not answer.
    """
    rows: list[dict[str, Any]] = _ask(endpoint, "GET")
    return rows


def clear(endpoint: Endpoint) -> None:
    """Drop all faults, and end what still lasts because of one.

    Raises:
        SandboxUnavailable: the sandbox does not answer.
    """
    _ask(endpoint, "DELETE")


def _ask(endpoint: Endpoint, method: str, body: bytes | None = None) -> Any:
    request = Request(f"{endpoint.url}/amiforge/faults", body, method=method)  # noqa: S310 - our own server
    try:
        with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as error:
        with error:
            said = json.load(error)
        raise ConfigError(said.pop("error"), **said) from None
    except OSError as error:
        raise SandboxUnavailable(f"the sandbox does not answer: {error}", fix="amiforge sandbox down") from None
