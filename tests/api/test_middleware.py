"""What stands around every request, around small applications of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import prometheus_client
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from api.dispatch import Dispatch
from api.middleware import Around, Bounds
from api.state import Services
from tests.api.shop import PAYMENT, Shop, error_of


async def echo(request: Request[Any]) -> JSONResponse:
    return JSONResponse({"bytes": len(await request.body())})


async def sleep(_request: Request[Any]) -> JSONResponse:
    await asyncio.sleep(30)
    raise AssertionError("it should have been ended")


async def crash(_request: Request[Any]) -> JSONResponse:
    raise ZeroDivisionError("person@example.com")


@pytest.fixture
async def around(services: Services, request_lines: list[Mapping[str, Any]]) -> AsyncIterator[httpx.AsyncClient]:
    routes = [
        Route("/echo", echo, methods=["POST"]),
        Route("/webhooks/stripe", echo, methods=["POST"]),
        Route("/sleep", sleep),
        Route("/crash/{of}", crash),
    ]
    bounds = Bounds(timeout_seconds=0.05, body_bytes=100, larger={"/webhooks/": 1000})
    app = Around(Dispatch(routes), services, bounds, request_lines.append)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
        yield client


async def test_a_good_request_id_is_kept_and_any_other_replaced(around: httpx.AsyncClient) -> None:
    for sent in ("mine-1", "A" * 64, "a.b_c-1"):
        answer = await around.post("/echo", headers={"Request-Id": sent})
        assert answer.headers["Request-Id"] == sent
    for sent in ("", "A" * 65, "a b", "4242424242424242", "a;b", "a/b"):
        answer = await around.post("/echo", headers={"Request-Id": sent})
        assert answer.headers["Request-Id"].startswith("req_")


async def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_read(around: httpx.AsyncClient) -> None:
    assert (await around.post("/echo", content=b"x" * 100)).json() == {"bytes": 100}

    answer = await around.post("/echo", content=b"x" * 101)

    assert answer.status_code == 413
    assert error_of(answer)["details"] == {"limit": 100}


async def test_a_body_that_never_says_how_long_it_is_is_refused_too(around: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 60

    answer = await around.post("/echo", content=endless())

    assert answer.status_code == 413
    assert error_of(answer)["code"] == "body_too_large"


async def test_a_webhook_may_be_longer(around: httpx.AsyncClient) -> None:
    assert (await around.post("/webhooks/stripe", content=b"x" * 1000)).json() == {"bytes": 1000}
    assert (await around.post("/webhooks/stripe", content=b"x" * 1001)).status_code == 413


async def test_a_request_that_takes_too_long_is_ended(around: httpx.AsyncClient) -> None:
    answer = await around.get("/sleep")

    assert answer.status_code == 503
    assert error_of(answer)["code"] == "timed_out"


async def test_a_mistake_of_ours_is_a_typed_answer_and_a_traceback_in_the_log(around: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        answer = await around.get("/crash/now")

    assert answer.status_code == 500
    assert error_of(answer)["type"] == "system_error"
    assert "person@example.com" not in answer.text
    assert any(line["event"] == "unexpected error" and line["exc_info"] for line in lines)


async def test_the_line_in_the_log_names_the_route_and_not_the_path(
    around: httpx.AsyncClient, request_lines: list[Mapping[str, Any]]
) -> None:
    await around.get("/crash/somebody")

    [line] = request_lines
    assert (line["method"], line["route"], line["status"]) == ("GET", "/crash/{of}", 500)
    assert "somebody" not in repr(line)


async def test_the_log_names_the_project_and_nobody_s_address(
    shop: Shop, request_lines: list[Mapping[str, Any]]
) -> None:
    with capture_logs() as others:
        answer = await shop.pay({**PAYMENT, "email": "person@example.com"})

    lines = [*request_lines, *others]
    assert request_lines[-1]["project_id"] == shop.project_id
    assert request_lines[-1]["request_id"] == answer.headers["Request-Id"]
    assert "person@" not in repr(lines)
    assert "203.0.113.7" not in repr(lines)


def counted(**labels: str) -> float:
    return prometheus_client.REGISTRY.get_sample_value("tillstream_http_requests_total", labels) or 0.0


async def test_requests_are_counted_by_route_and_an_unheard_of_method_makes_no_new_series(
    around: httpx.AsyncClient,
) -> None:
    before = counted(method="POST", route="/echo", status="200")
    await around.post("/echo")
    await around.request("FETCH", "/nowhere/at/all")

    assert counted(method="POST", route="/echo", status="200") == before + 1
    assert counted(method="other", route="unmatched", status="404") >= 1
    assert counted(method="FETCH", route="unmatched", status="404") == 0


async def test_a_caller_who_leaves_is_no_mistake_of_ours(
    around: httpx.AsyncClient, request_lines: list[Mapping[str, Any]]
) -> None:
    app = around._transport.app  # type: ignore[attr-defined]
    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": [], "query_string": b""}
    sent: list[Any] = []

    async def leave() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    with capture_logs() as lines:
        await app(scope, leave, send)

    assert sent == []
    assert [line["status"] for line in request_lines] == [499]
    assert lines == []


async def test_a_length_that_is_no_number_is_not_believed(around: httpx.AsyncClient) -> None:
    for length in (b"many", b"-1", b"\xb2"):
        answer = await around.post("/echo", content=b"x" * 101, headers={b"Content-Length": length})
        assert answer.status_code == 413
