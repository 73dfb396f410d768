"""`python -m benchmarks.load`: HTTP load from this process. Reads a `Load` as JSON, prints its figures as JSON."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from typing import NamedTuple, cast

import httptools
import uvloop

from benchmarks.percentiles import milliseconds
from sandbox.addresses import LOOPBACK

_WARM_UP_SECONDS = 0.5


class Load(NamedTuple):
    """GET these paths in turn, one request under way on each connection, for so many seconds.

    With `bodies`, which are JSON, each of them is posted to the one path there is. `status`: what every answer must have.
    """

    port: int
    paths: Sequence[str]
    authorization: str
    connections: int
    seconds: float
    bodies: Sequence[str] = ()
    status: int = 200


class UnexpectedStatus(Exception):
    """Something else came back than what was wanted, so there is nothing to measure."""

    def __init__(self, status: int, wanted: int) -> None:
        super().__init__(f"The server answered {status} and not {wanted}.")


class Connection(asyncio.Protocol):
    """Asks, waits for the answer, and asks again, until `stop`. `answers`: when each came, and how long it took."""

    def __init__(self, requests: Iterator[bytes], status: int) -> None:
        self.answers: list[tuple[float, float]] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._status = status
        self._parser = httptools.HttpResponseParser(self)
        self._asked_at = 0.0
        self._stopping = False

    def stop(self) -> None:
        """End after the answer that is under way."""
        self._stopping = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(error or ConnectionError("the server closed the connection"))

    def on_message_complete(self) -> None:
        """The parser has seen a whole answer."""
        now = time.perf_counter()
        if (status := self._parser.get_status_code()) != self._status:
            self.over.set_exception(UnexpectedStatus(status, self._status))
        elif self._stopping:
            self.over.set_result(None)
        else:
            self.answers.append((now, now - self._asked_at))
            self._ask()
            return
        self._transport.close()

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self._transport.write(next(self._requests))


async def bring(load: Load) -> Mapping[str, float]:
    """`rate` in answers per second, and `p50` and `p99` in milliseconds, after half a second that does not count.

    Raises `UnexpectedStatus`, OSError.
    """
    loop, requests = asyncio.get_running_loop(), list(_all(load))
    connections = [Connection(_from(requests, start), load.status) for start in range(load.connections)]
    for connection in connections:
        await loop.create_connection(partial(_itself, connection), LOOPBACK, load.port)
    await asyncio.wait([each.over for each in connections], timeout=_WARM_UP_SECONDS)
    began = time.perf_counter()
    await asyncio.wait([each.over for each in connections], timeout=load.seconds, return_when=asyncio.FIRST_EXCEPTION)
    ended = time.perf_counter()
    for each in connections:
        each.stop()
    await asyncio.gather(*(each.over for each in connections))
    counted = [took for each in connections for at, took in each.answers if began <= at <= ended]
    return {"rate": len(counted) / (ended - began), **milliseconds(counted)}


def from_elsewhere(load: Load) -> Mapping[str, float]:
    """The figures of a load that another process brings, so that it shares no interpreter with what is measured."""
    command, asked = [sys.executable, "-m", "benchmarks.load"], json.dumps(load._asdict())
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=load.seconds + 60)
    if done.returncode != 0:
        raise RuntimeError(f"The load could not be brought: {done.stderr.strip()}")
    figures: Mapping[str, float] = json.loads(done.stdout)
    return figures


def _itself(connection: Connection) -> Connection:
    return connection


def _all(load: Load) -> Iterator[bytes]:
    head = f"HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: {load.authorization}\r\n"
    for path in load.paths:
        if not load.bodies:
            yield f"GET {path} {head}\r\n".encode()
        for body in load.bodies:
            length = len(body.encode())
            yield f"POST {path} {head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}".encode()


def _from(requests: Sequence[bytes], start: int) -> Iterator[bytes]:
    """All requests in turn, over and over; each connection begins elsewhere."""
    return islice(cycle(requests), start * 31 % len(requests), None)


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(bring(Load(**json.load(sys.stdin))))))


if __name__ == "__main__":
    main()
