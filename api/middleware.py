"""What happens around every request: its id, its line in the log, its metrics, and the bounds it must keep."""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, cast

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import personal
from api.errors import BodyTooLarge, TimedOut, Unexpected, error_answer
from api.state import Services, State
from domain.errors import DomainError

log = structlog.get_logger()

REQUESTS = Counter("tillstream_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "tillstream_http_request_seconds",
    "From a request's first byte to its answer's last.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

LEFT = 499  # Noted as the status where the caller left before there was an answer.

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
_ROUTINE = ("/health/live", "/health/ready", "/metrics")  # asked every few seconds: not worth a line


class RequestState:
    """Gives each request the services and an id, the caller's if it is a good one, and puts the id on the answer."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self.services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        state: State = {**self.services, "request_id": request_id}
        scope["state"] = state

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Request-Id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)


class AccessLog:
    """One line and two metrics per request, by route template: a path may hold an id that names somebody."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, started, ended = LEFT, time.perf_counter(), 0.0

        async def send_and_note(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            ended = time.perf_counter()  # What is done in the background after the answer does not count.

        structlog.contextvars.unbind_contextvars("project_id", "error_code")
        try:
            await self.app(scope, receive, send_and_note)
        finally:
            _note(scope, status, (ended or time.perf_counter()) - started)


class UnexpectedErrors:
    """Turns a mistake of ours into a typed 500, and leaves its traceback in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except ClientDisconnect:
            return  # Nobody is there to be told.
        except Exception as error:
            if started:
                raise
            if not isinstance(error, DomainError):
                log.exception("unexpected error")
                error = Unexpected()
            await error_answer(error, scope["state"]["request_id"])(scope, receive, send)


class Timeout:
    """Ends a request that takes too long. A command that was cut off goes on with a retry of the same key."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self.seconds) as limit:
                await self.app(scope, receive, send)
        except TimeoutError as error:
            if limit.expired():
                raise TimedOut from error
            raise


class BodyLimit:
    """Refuses bodies beyond a number of bytes, announced or not. `larger` has other limits by the path's beginning."""

    def __init__(self, app: ASGIApp, limit_bytes: int, larger: Mapping[str, int]) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit, seen = self._limit(scope["path"]), 0
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            raise BodyTooLarge(limit)

        async def receive_within_limit() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLarge(limit)
            return message

        await self.app(scope, receive_within_limit, send)

    def _limit(self, path: str) -> int:
        return next((limit for start, limit in self.larger.items() if path.startswith(start)), self.limit_bytes)


def _request_id(headers: Headers) -> str:
    sent = headers.get("request-id", "")
    if _REQUEST_ID.fullmatch(sent) and personal.kind_found(sent) is None:
        return sent
    return f"req_{secrets.token_hex(16)}"


def _note(scope: Scope, status: int, seconds: float) -> None:
    route, method = _template(scope), scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(method, route, status).inc()
    SECONDS.labels(method, route).observe(seconds)
    write = log.debug if route in _ROUTINE else log.info
    write("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))


def _template(scope: Mapping[str, Any]) -> str:
    route = scope.get("route")
    if route is None:
        return "unmatched"
    if isinstance(route, Mount):
        return route.path
    return cast(str, scope.get("root_path", "") + route.path)
