"""The steady load: each request at its time, and latency from then on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.paced import Pace, UnexpectedAnswer, keep


@asynccontextmanager
async def server(post: bytes = b"201 Created", slow_seconds: float = 0.0) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers GET with 200 and POST as it is told to; its port, and the heads of the requests that it got."""
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                asked.append(head)
                if head.startswith(b"POST"):
                    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                    await reader.readexactly(length)
                await asyncio.sleep(slow_seconds)
                status = post if head.startswith(b"POST") else b"200 OK"
                writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\n\r\n{}")
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as serving:
        yield serving.sockets[0].getsockname()[1], asked


async def load(port: int, seconds: float, per_second: float = 40.0) -> dict[str, float]:
    stopped = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stopped.set)
    return dict(await keep(Pace(port, "Bearer key", ["/a", "/b"], per_second, per_second), stopped))


async def test_reads_and_writes_come_at_their_pace_each_write_with_a_key_of_its_own() -> None:
    async with server() as (port, asked):
        figures = await load(port, seconds=2.0)

    assert {head.split()[1] for head in asked if head.startswith(b"GET")} == {b"/a", b"/b"}
    keys = [head.split(b"Idempotency-Key: ")[1].split(b"\r\n")[0] for head in asked if head.startswith(b"POST")]
    assert len(set(keys)) == len(keys)
    assert len(keys) <= 2.0 * 40 + 8, "never more than were due, and one under way on each connection"
    assert 0 < figures["writes"] < len(keys), "what came at first does not count"
    assert figures["reads_p50"] <= figures["reads_p99"]


async def test_a_stall_is_seen_by_all_that_should_have_been_sent_meanwhile() -> None:
    """Eight connections that take 0.5 s for an answer give 16 a second: of 40 a second, each next one is later."""
    async with server(slow_seconds=0.5) as (port, _):
        figures = await load(port, seconds=3.0)

    assert figures["reads_p99"] > 1_000


async def test_an_answer_that_was_not_asked_for_is_no_figure() -> None:
    async with server(post=b"402 Payment Required") as (port, _):
        with pytest.raises(UnexpectedAnswer, match="402"):
            await load(port, seconds=1.0)
