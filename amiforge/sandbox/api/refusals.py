"""Refusals, in the form that each service has for them."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

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
    "DryRunOperation": 412,
}
#: Services that speak JSON.
_JSON = ("ssm", "kms", "servicequotas")


def http_status(code: str) -> int:
    """Give the HTTP status that EC2 answers with for an error code."""
    return _STATUS.get(code, 400)


def refusal(service: str, code: str, message: str) -> tuple[int, str, bytes]:
    """Give HTTP status, content type and body of an error, in the form the service has for it."""
    status = http_status(code)
    if service == "ec2":
        error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        text = f"<Response><Errors>{error}</Errors><RequestID>sandbox</RequestID></Response>"
        return status, "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    if service in _JSON:
        return status, "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()
    error = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    text = f"<ErrorResponse>{error}<RequestId>sandbox</RequestId></ErrorResponse>"
    return status, "text/xml", text.encode()
