"""Failures to order: the next calls of an operation fail, or their answers get lost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any
from xml.sax.saxutils import escape

from amiforge.errors import UsageError

#: HTTP statuses of the codes that EC2 does not answer with 400.
_STATUS = {
    "InternalError": 500,
    "InternalFailure": 500,
    "InsufficientInstanceCapacity": 500,
    "InsufficientHostCapacity": 500,
    "ServiceUnavailable": 503,
    "Unavailable": 503,
    "RequestLimitExceeded": 503,
    "AuthFailure": 401,
    "UnauthorizedOperation": 403,
}


@dataclass(slots=True)
class Fault:
    """One ordered failure.

    Args:
        operation: name of the operation it hits, such as `CreateImage`; `*` is every operation.
        error: the code to answer with. Not used when the answer is lost.
        message: the message to answer with.
        skip: how many calls of the operation still go through before it.
        times: how many calls it hits.
        lost: carry the call out, then drop the connection instead of answering.
    """

    operation: str
    error: str = "InternalError"
    message: str = "An internal error has occurred"
    skip: int = 0
    times: int = 1
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One operation that a client asked for; `outcome` is `ok`, an error code, or `lost`."""

    service: str
    operation: str
    mutating: bool
    outcome: str


@dataclass(slots=True)
class Traffic:
    """The faults still to come, and the calls seen."""

    faults: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def order(self, text: bytes) -> None:
        """Add a fault given as JSON.

        Raises:
            UsageError: the text is not a fault.
        """
        try:
            fault = Fault(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise UsageError(f"not a fault: {error}") from error
        with self._lock:
            self.faults.append(fault)

    def clear(self, what: str) -> None:
        """Drop all `faults`, or forget all `calls`."""
        with self._lock:
            (self.faults if what == "faults" else self.calls).clear()

    def hit(self, operation: str) -> Fault | None:
        """Give the fault that this call meets, if any, and count it."""
        with self._lock:
            for fault in self.faults:
                if fault.operation not in ("*", operation) or not fault.times:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def saw(self, call: Call) -> None:
        """Remember a call."""
        with self._lock:
            self.calls.append(call)

    def listing(self, what: str) -> list[dict[str, Any]]:
        """Give the `faults` or the `calls` as JSON values."""
        with self._lock:
            rows = self.faults if what == "faults" else self.calls
            return [asdict(row) for row in rows]


def refusal(service: str, code: str, message: str) -> tuple[int, str, bytes]:
    """Give HTTP status, content type and body of an error, in the form the service has for it."""
    status = _STATUS.get(code, 400)
    if service == "ec2":
        error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        text = f"<Response><Errors>{error}</Errors><RequestID>sandbox</RequestID></Response>"
        return status, "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    if service == "ssm":
        return status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()
    error = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    text = f"<ErrorResponse>{error}<RequestId>sandbox</RequestId></ErrorResponse>"
    return status, "text/xml", text.encode()
