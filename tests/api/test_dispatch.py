"""A request finds the same route by the parts of its path as by Starlette's router."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route, Router

from api.dispatch import Dispatch


async def tell(request: Request[Any]) -> JSONResponse:
    return JSONResponse({"route": request.scope["route"].path, **request.path_params})


ROUTES: Sequence[BaseRoute] = [
    Route("/things", tell, methods=["GET"]),
    Route("/things", tell, methods=["POST"]),
    Route("/things/new", tell, methods=["POST"]),
    Route("/things/{thing}", tell, methods=["GET"]),
    Route("/things/{thing}/parts/{part}", tell, methods=["GET", "DELETE"]),
    Route("/things/{thing}/first", tell, methods=["GET"]),
    Route("/users/{user:path}", tell, methods=["GET"]),
    Route("/users/new", tell, methods=["POST"]),
    Route("/", tell, methods=["GET"]),
    Mount("/files", routes=[Route("/{name}", tell)]),
]

PATHS = (
    "/ /things /things/ /things/1 /things/1/ /things/new /things/new/first /things/1/first /things/1/parts /things//first"
    " /things/1/parts/2 /things/1/parts/2/ /users/a/b /users/new /users/ /users /files/a /files /nowhere /things/%20/first"
    " /things/a%2Fb/first /things/{thing} /things/%0A //things"
).split(" ")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "FETCH"])
@pytest.mark.parametrize("path", PATHS)
async def test_it_answers_as_the_router_does(method: str, path: str) -> None:
    answers = [await ask(app, method, path) for app in (Dispatch(ROUTES), Router(ROUTES, redirect_slashes=False))]

    assert answers[0] == answers[1]


async def ask(app: Any, method: str, path: str) -> object:
    async def in_our_shape(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("app", app)
        try:
            await app(scope, receive, send)
        except Exception as refusal:
            await JSONResponse({"refused": repr(refusal)})(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(in_our_shape), base_url="http://api.test") as client:
        answer = await client.request(method, path)
    return answer.status_code, answer.json() if answer.content else None
