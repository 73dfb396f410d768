"""What a route is and says of itself: the router and /openapi.json are both made from these."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.errors import answer_to
from api.requests import ApiRequest
from api.state import State

Endpoint = Callable[[Request[State]], Awaitable[Response]]
Who = Literal["operator", "project", "page"]

# Pages start checkouts from the browser. No cookie counts here, so any origin may ask; the publishable key's own
# domain is checked with the key.
_FROM_PAGES = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["POST"],
    allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Request-Id", "X-Project-ID"],
    expose_headers=["Consistency-Token", "Idempotent-Replayed", "Request-Id", "Retry-After"],
    max_age=7200,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path. The endpoint's docstring is its summary and description.

    `answers` are the good ones, by status; None has a body that is not JSON of ours. `refusals` are those statuses that do
    not follow from the rest: that a body can be malformed need not be said.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    endpoint: Endpoint
    tag: str
    answers: Mapping[int, type[BaseModel] | None]
    who: tuple[Who, ...] = ()
    place: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    refusals: tuple[int, ...] = ()
    consistent: bool = False  # a read that waits for what a Consistency-Token names

    @property
    def commands(self) -> bool:
        return self.method != "GET"

    def statuses(self) -> list[int]:
        """Every status that it can answer with."""
        found = {*self.answers, *self.refusals, 500, 503}
        if self.who:
            found |= {400, 401, 403}
        if self.body:
            found |= {400, 413, 415, 422}
        if self.commands:
            found |= {400, 409, 422}
        if 502 in self.refusals:
            found.add(429)  # Whoever asks the gateway may find it busy.
        if self.place or self.query:
            found.add(422)
        return sorted(found)


class _Anything(PathConvertor):
    """Ids of other systems may hold a slash. What they may not hold, a line break say, is judged where they are parsed."""

    regex = "(?s:.*)"


register_url_convertor("anything", _Anything())


class Answering:
    """An endpoint as an ASGI application, which sends its answer, or its refusal in our shape."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._endpoint(ApiRequest(scope, receive))
        except ClientDisconnect:
            raise
        except Exception as error:
            response = answer_to(error, scope["state"]["request_id"])
        await response(scope, receive, send)


def route(operation: Operation) -> Route:
    path, app = operation.path.replace("{user_id}", "{user_id:anything}"), Answering(operation.endpoint)
    if "page" in operation.who:
        return Route(path, app, methods=[operation.method, "OPTIONS"], middleware=[_FROM_PAGES])
    return Route(path, app, methods=[operation.method])
