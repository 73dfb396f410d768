"""Good answers: what a command came to, and what a read shows."""

from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from commands.ports import Receipt
from projections.freshness import format_token

_NOT_SHARED = (b"cache-control", b"private, no-cache")
_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotent-replayed", b"true")
_PARKED = (b"read-model-parked", b"true")


def answer(receipt: Receipt, status: int = HTTPStatus.OK) -> Response:
    """What a command came to. The body is the recorded answer, so that a retry gets the same one."""
    body = orjson.dumps(dict(receipt.answer))
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    if receipt.versions:
        headers.append((b"consistency-token", format_token(receipt.versions).encode()))
    if receipt.replayed:
        headers.append(_REPLAYED)
    return PlainAnswer(status, headers, body)


def shown(request: Request[Any], body: BaseModel, *, etag: str | None = None) -> Response:
    """What a read shows; nothing but the status 304 where the caller has this version already."""
    return shown_as_json(request, body.model_dump_json().encode(), etag=etag)


def shown_as_json(request: Request[Any], body: bytes, *, etag: str | None = None) -> Response:
    """The same, of a body that was written as JSON before."""
    headers = [_NOT_SHARED]
    if request.state["shows_parked"]:
        headers.append(_PARKED)
    if etag is not None:
        headers.append((b"etag", f'"{etag}"'.encode()))
        if _has_already(request, f'"{etag}"'):
            return PlainAnswer(HTTPStatus.NOT_MODIFIED, headers)
    return PlainAnswer(HTTPStatus.OK, [*headers, _JSON, (b"content-length", b"%d" % len(body))], body)


class PlainAnswer(Response):
    """Bytes and headers as they are sent, with nothing left to work out: busy calls answer with it."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        self.status_code = int(status)
        self.body = body
        self.raw_headers = headers

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def _has_already(request: Request[Any], etag: str) -> bool:
    sent = request.headers.get("if-none-match")
    if sent is None:
        return False
    known = [tag.strip().removeprefix("W/") for tag in sent.split(",")]
    return etag in known or known == ["*"]
