"""The endpoint as a WSGI application: moto's dispatcher behind one lock, with faults, a call log and our backend."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from moto.ec2.models import ec2_backends
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.kms.models import kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.ssm.models import ssm_backends
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from amiforge.errors import UsageError
from amiforge.sandbox.api.account import ACCOUNT_ID, Account
from amiforge.sandbox.api.backend import SandboxBackend
from amiforge.sandbox.api.identity_calls import answer_questions
from amiforge.sandbox.api.keys import Keys
from amiforge.sandbox.api.orders import check
from amiforge.sandbox.api.parameter_calls import ParameterCalls
from amiforge.sandbox.api.parameters import SandboxParameters
from amiforge.sandbox.api.refusals import http_status, refusal
from amiforge.sandbox.api.service import SandboxCalls
from amiforge.sandbox.api.traffic import Call, Traffic
from amiforge.sandbox.faults import Harm, parse

_LOG = logging.getLogger(__name__)

_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
_SERVICES = ("ec2", "ssm", "sts", "iam", "kms", "servicequotas")
_REGION = "us-east-1"
_READING = ("Describe", "Get", "List")
_ERROR_CODE = re.compile(rb"<Code>([^<]+)</Code>|\"__type\": ?\"([^\"]+)\"")

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Connection(WSGIRequestHandler):
    """A connection to a client; log lines are for failures only."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing about requests that were answered."""

    def connection_dropped(self, error: BaseException, environ: Environ | None = None) -> None:
        """Close for good what was dropped, instead of waiting for the next request on it."""
        super().connection_dropped(error, environ)
        self.close_connection = True


def bind(app: Any, host: str = "127.0.0.1", port: int = 0) -> BaseWSGIServer:
    """Serve an application with one thread a connection, once `serve_forever` is called.

    Args:
        app: a WSGI application.
        host: the loopback address to listen on.
        port: the port; 0 takes any free one.

    Raises:
        OSError: the port is taken.
    """
    return make_server(host, port, app, threaded=True, request_handler=_Connection)


class App:
    """The endpoint. Below `/amiforge/` it answers about itself; everything else is AWS."""

    def __init__(self, account: Account, parameters: dict[str, str]) -> None:
        self.account = account
        self.traffic = Traffic()
        ec2_backends.clear()
        ssm_backends.clear()
        ec2_backends.backend = self._region  # type: ignore[assignment]
        ssm_backends.backend = partial(  # type: ignore[assignment]
            SandboxParameters, account=account, public=parameters, dispatch=ParameterCalls.dispatch
        )
        kms_backends.clear()
        kms_backends.backend = Keys
        answer_questions(account)
        self._moto = DomainDispatcherApplication(create_backend_app)
        with account.lock:
            for region in {_REGION, *(record.region for record in account.records.all())}:
                ec2_backends[ACCOUNT_ID][region]  # made now, so that its images are known at once
            account.save()

    def _region(self, region_name: str, account_id: str) -> SandboxBackend:
        return SandboxBackend(region_name, account_id, self.account, SandboxCalls.dispatch)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "/")
        if path.startswith("/amiforge/"):
            return self._about_itself(environ, start_response, path.removeprefix("/amiforge/"))
        return self._aws(environ, start_response)

    def _about_itself(self, environ: Environ, start_response: StartResponse, what: str) -> Iterable[bytes]:
        status: str = "200 OK"
        value: object = None
        try:
            match environ["REQUEST_METHOD"], what:
                case "GET", "health":
                    value = self._health()
                case "GET", "faults":
                    value = self.account.faults.listing()
                case "POST", "faults":
                    self._order(_body(environ))
                case "DELETE", "faults":
                    self.account.faults.clear()
                case "GET", "calls":
                    value = self.traffic.listing()
                case "DELETE", "calls":
                    self.traffic.clear()
                case _:
                    status, value = "404 Not Found", {"error": f"nothing at /amiforge/{what}"}
        except UsageError as error:
            status, value = "400 Bad Request", {"error": error.message, **error.lines}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(value).encode()]

    def _order(self, text: bytes) -> None:
        fault = parse(text)
        with self.account.lock:
            running = {key: life for key, life in self.account.lives.items() if life.instance.state == "running"}
        regions = [region.name for region in RegionsAndZonesBackend.regions]
        check(fault, _SERVICES, regions, running)
        course = self.account.faults.order(fault)
        if isinstance(fault, Harm) and fault.instance:
            running[fault.instance].befall(fault, course)

    def _health(self) -> dict[str, Any]:
        with self.account.lock:
            states = {life.instance.id: life.instance.state for life in self.account.lives.values()}
            images = sorted(image.id for image in self.account.images.values() if not image.current().deregistered)
        return {"instances": states, "images": images}

    def _aws(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        (region, service), parameters = _scope(environ), _parameters(environ)
        operation = _operation(environ, parameters)
        mutating = not operation.startswith(_READING)
        fault = self.account.faults.call(operation, region)
        refused = (fault.error, fault.message) if fault and not fault.lost else None
        if refused := refused or self.account.news.refusal(operation, parameters):
            self.traffic.saw(Call(service, operation, mutating, refused[0], region))
            return _answer(start_response, *refusal(service, *refused))
        if not service:
            message = "AWS was not able to validate the provided access credentials"
            return _answer(start_response, *refusal("ec2", "AuthFailure", message))
        if service not in _SERVICES:
            answer = refusal(service, "UnsupportedOperation", f"the sandbox has no service {service!r}")
            return _answer(start_response, *answer)
        status, headers, body = self._through_moto(service, operation, environ)
        outcome = _outcome(status, body)
        self.traffic.saw(Call(service, operation, mutating, "lost" if fault else outcome, region))
        if fault:
            raise ConnectionResetError(f"the answer to {operation} is lost, as ordered")
        if service == "ec2" and outcome != "ok":
            status = f"{http_status(outcome)} Error"  # moto always says 400
        start_response(status, headers)
        return [body]

    def _through_moto(self, service: str, operation: str, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        caught: list[tuple[str, list[tuple[str, str]]]] = []

        def catch(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
            caught.append((status, headers))

        with self.account.lock:
            try:
                body = b"".join(self._moto(environ, catch))
                self.account.save()
                return *caught[-1], body
            except NotImplementedError as missing:
                code, message = "UnsupportedOperation", f"The sandbox does not offer {operation}: {missing}"
            except Exception as error:  # noqa: BLE001 - a fault of ours is the service's internal error
                _LOG.exception("%s failed", operation)
                code, message = "InternalError", f"{type(error).__name__}: {error}"
        number, kind, content = refusal(service, code, message)
        return f"{number} {code}", [("Content-Type", kind)], content


def _answer(start_response: StartResponse, status: int, kind: str, body: bytes) -> Iterable[bytes]:
    start_response(f"{status} Error", [("Content-Type", kind)])
    return [body]


def _body(environ: Environ) -> bytes:
    """Read the request's body, and leave it to be read again."""
    raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(raw)
    return bytes(raw)


def _scope(environ: Environ) -> tuple[str, str]:
    """Give region and service that a request is signed for."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (scope[1], scope[2]) if scope else ("", "")


def _parameters(environ: Environ) -> dict[str, list[str]]:
    return parse_qs(_body(environ).decode(errors="replace") or environ.get("QUERY_STRING", ""))


def _operation(environ: Environ, parameters: dict[str, list[str]]) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    return parameters.get("Action", [""])[0]


def _outcome(status: str, body: bytes) -> str:
    if status.startswith("2"):
        return "ok"
    found = _ERROR_CODE.search(body)
    return (found[1] or found[2]).decode() if found else status
