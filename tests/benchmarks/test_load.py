"""The load: what it asks, and what it makes of answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from benchmarks.load import Load, UnexpectedStatus, bring
from benchmarks.percentiles import milliseconds

Serve = Callable[[bytes], AbstractAsyncContextManager[tuple[int, list[bytes]]]]


@pytest.fixture
def serve() -> Serve:
    """A server that gives the same answer to every request; its port, and the requests that it got."""

    @asynccontextmanager
    async def serving(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
        asked: list[bytes] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    asked.append(await reader.readuntil(b"\r\n\r\n"))
                    writer.write(answer)
            except asyncio.IncompleteReadError:
                writer.close()
                await writer.wait_closed()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1], asked

    return serving


async def test_every_connection_asks_for_all_paths_with_the_key(serve: Serve) -> None:
    async with serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as (port, asked):
        figures = await bring(Load(port, ["/a", "/b", "/c"], "Bearer key", connections=2, seconds=0.1))

    assert {request.split()[1] for request in asked} == {b"/a", b"/b", b"/c"}
    assert all(b"Authorization: Bearer key\r\n" in request for request in asked)
    assert 0 < figures["rate"] * 0.1 < len(asked), "what came while warming up does not count"


async def test_another_status_than_200_is_no_figure(serve: Serve) -> None:
    async with serve(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n") as (port, _):
        with pytest.raises(UnexpectedStatus, match="401"):
            await bring(Load(port, ["/a"], "Bearer key", connections=1, seconds=0.1))


async def test_a_server_that_hangs_up_is_no_figure() -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        with pytest.raises(ConnectionError):
            await bring(Load(server.sockets[0].getsockname()[1], ["/a"], "", connections=2, seconds=0.1))


def test_percentiles_are_those_of_the_samples() -> None:
    assert milliseconds([number / 1000 for number in range(101)]) == {"p50": 50.0, "p99": 99.0}
    assert milliseconds([0.25]) == {"p50": 250.0, "p99": 250.0}
