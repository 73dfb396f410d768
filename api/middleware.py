"""What happens around every request: its id, its line in the log, its metrics, and the bounds it must keep.

One layer for all of it: each one more would cost every request as much as a row that is read.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import personal
from api.deadlines import Deadlines, Watch
from api.errors import BodyTooLarge, TimedOut, answer_to
from api.figures import FIGURES
from api.state import Services, State
from runtime import logs

LEFT = 499  # Noted as the status where the caller left before there was an answer.

Note = Callable[[dict[str, Any]], object]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
_ROUTINE = ("/health/live", "/health/ready", "/metrics")  # asked every few seconds: not worth a line

_OF_THIS_PROCESS, _numbers = secrets.token_hex(8), count(secrets.randbits(32))


class Bounds(NamedTuple):
    """How long a request may take, and how many bytes its body may have: `larger` by the path's beginning."""

    timeout_seconds: float
    body_bytes: int
    larger: Mapping[str, int]

    def body_limit(self, path: str) -> int:
        return next((limit for start, limit in self.larger.items() if path.startswith(start)), self.body_bytes)


class Around:
    """Gives each request the services and an id, keeps it within bounds, and notes it by its route's template.

    The id is the caller's, if it is a good one. A path may hold an id that names somebody: it is not noted. A command that
    took too long and was cut off goes on with a retry of the same key.
    """

    def __init__(self, app: ASGIApp, services: Services, bounds: Bounds, note: Note) -> None:
        self.app = app
        self._services = services
        self._bounds = bounds
        self._note = note
        self._deadlines = Deadlines(bounds.timeout_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = scope["headers_by_name"] = dict(reversed(scope["headers"]))
        request_id = _request_id(headers.get(b"request-id"))
        bound = logs.begin(request_id=request_id)
        state: State = {**self._services, "request_id": request_id, "shows_parked": False}
        scope["state"] = state
        exchange = Exchange(receive, send, request_id, self._bounds.body_limit(scope["path"]))
        self._deadlines.begin(exchange)
        try:
            exchange.check_length(headers.get(b"content-length", b"0"))
            await self.app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            pass  # Nobody is there to be told.
        except asyncio.CancelledError:
            if not exchange.ended_it():
                raise
            await exchange.refuse(TimedOut(), scope)
        except Exception as error:
            await exchange.refuse(error, scope)
        finally:
            self._deadlines.end(exchange)
            self._end(scope, exchange, bound)

    def _end(self, scope: Scope, exchange: "Exchange", bound: Mapping[str, Any]) -> None:
        route, method, status, seconds = _template(scope), scope["method"], exchange.status, exchange.seconds()
        if method not in _METHODS:
            method = "other"
        FIGURES.count(method, route, status, seconds)
        if route not in _ROUTINE:
            self._note({**bound, "method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)})


class Exchange(Watch):
    """A request and its answer, as they pass."""

    __slots__ = ("_ended", "_limit", "_receive", "_request_id", "_seen", "_send", "status")

    def __init__(self, receive: Receive, send: Send, request_id: str, limit_bytes: int) -> None:
        super().__init__(time.perf_counter())
        self._receive = receive
        self._send = send
        self._request_id = request_id
        self._limit = limit_bytes
        self._seen = 0
        self._ended = 0.0
        self.status = LEFT

    def check_length(self, announced: bytes) -> None:
        """Refuse a body that says it is too long. One that lies is refused while it comes in."""
        if announced.isdigit() and int(announced) > self._limit:
            raise BodyTooLarge(self._limit)

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._limit:
            raise BodyTooLarge(self._limit)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"request-id", self._request_id.encode())]
        await self._send(message)
        self._ended = time.perf_counter()

    async def refuse(self, error: Exception, scope: Scope) -> None:
        """Tell the caller what went wrong. Raises the error where it is too late for that."""
        if self.status != LEFT:
            raise error
        await answer_to(error, self._request_id)(scope, self.receive, self.send)

    def seconds(self) -> float:
        """From the beginning to the last byte: what is done in the background after the answer does not count."""
        return (self._ended or time.perf_counter()) - self.began


def _request_id(sent: bytes | None) -> str:
    """Unlike any other: of this process by its first half, which is random, of this request by the second."""
    if sent and _REQUEST_ID.fullmatch(sent) and personal.kind_found(sent.decode()) is None:
        return sent.decode()
    return f"req_{_OF_THIS_PROCESS}{next(_numbers):016x}"


def _template(scope: Scope) -> str:
    route = scope.get("route")
    if type(route) is Route:
        return route.path
    return route.path if isinstance(route, Mount) else "unmatched"
