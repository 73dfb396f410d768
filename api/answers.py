"""Good answers: what a command came to, and what a read shows."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from commands.ports import Receipt
from projections.freshness import format_token


def answer(receipt: Receipt, status: int = HTTPStatus.OK) -> JSONResponse:
    """What a command came to. The body is the recorded answer, so that a retry gets the same one."""
    headers = {}
    if receipt.versions:
        headers["Consistency-Token"] = format_token(receipt.versions)
    if receipt.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(dict(receipt.answer), int(status), headers)


def shown(request: Request[Any], body: BaseModel, *, etag: str | None = None) -> Response:
    """What a read shows; nothing but the status 304 where the caller has this version already."""
    headers = {"Cache-Control": "private, no-cache"}
    if etag is not None:
        headers["ETag"] = f'"{etag}"'
        if _has_already(request, headers["ETag"]):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body.model_dump_json(), HTTPStatus.OK, headers, "application/json")


def _has_already(request: Request[Any], etag: str) -> bool:
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in known or known == ["*"]
