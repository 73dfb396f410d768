"""What is written to a connection, piece by piece."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.server import ServerState

from api.wire import Protocol


class Pieces(asyncio.Transport):
    """A transport that remembers what is written to it, and when it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        if data:
            self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def app(answer: Callable[[], Response]) -> ASGIApp:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await Request(scope, receive).body()
        await answer()(scope, receive, send)

    return serve


async def pieces(request: bytes, answer: Callable[[], Response]) -> Pieces:
    protocol = Protocol(Config(app(answer), log_config=None), ServerState(), {}, asyncio.get_running_loop())
    transport = Pieces()
    protocol.connection_made(transport)
    protocol.data_received(request)
    while protocol.tasks:
        await asyncio.gather(*protocol.tasks)
    protocol.connection_lost(None)
    return transport


async def two() -> Any:
    for part in (b"one", b"two"):
        yield part


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "answer", "ends"),
    [
        (GET, lambda: PlainTextResponse("hello"), [b"\r\n\r\nhello"]),
        (GET.replace(b"GET", b"HEAD"), lambda: PlainTextResponse("hello"), [b"content-length: 5", b"\r\n\r\n"]),
        (GET, lambda: Response(status_code=304), [b"304 Not Modified", b"\r\n\r\n"]),
        (
            GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            lambda: PlainTextResponse("bye"),
            [b"\r\n\r\nbye"],
        ),
    ],
    ids=["a body", "HEAD", "no body", "the last answer"],
)
async def test_an_answer_is_one_piece(
    request_bytes: bytes, answer: Callable[[], Response], ends: Sequence[bytes]
) -> None:
    [piece] = (await pieces(request_bytes, answer)).written

    assert piece.startswith(b"HTTP/1.1 ")
    assert all(part in piece for part in ends)
    assert piece.endswith(ends[-1])


async def test_answers_to_requests_that_came_together_are_one_piece_each_in_their_order() -> None:
    numbers = iter("12")

    written = (await pieces(GET * 2, lambda: PlainTextResponse(next(numbers)))).written

    assert [piece[-1:] for piece in written] == [b"1", b"2"]


async def test_what_streams_begins_with_its_first_part() -> None:
    first, second, *_ = (await pieces(GET, lambda: StreamingResponse(two()))).written

    assert first.startswith(b"HTTP/1.1 200")
    assert first.endswith(b"one\r\n")
    assert second == b"3\r\ntwo\r\n"


async def test_whoever_asks_whether_to_go_on_is_told_at_once() -> None:
    asking = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"

    interim, final = (await pieces(asking, lambda: PlainTextResponse("done"))).written

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert final.endswith(b"done")
