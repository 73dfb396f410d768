"""`python -m benchmarks.paced`: reads and writes over HTTP at a steady pace, until standard input ends. Prints their figures.

Every request has its time, whether the one before was answered or not, and its latency counts from then: a stall of the
service is seen by all that should have been sent meanwhile.
"""

import asyncio
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple, TypeVar

from benchmarks.percentiles import milliseconds
from sandbox.addresses import LOOPBACK

T = TypeVar("T")

_CONNECTIONS = 8
_LAST_ANSWERS_SECONDS = 60.0
_FORGET_SECONDS = 1.0  # At first connections are opened and statements prepared.


class Pace(NamedTuple):
    """GET these paths in turn and POST grants of credits to new customers, so many of each a second."""

    port: int
    authorization: str
    paths: Sequence[str]
    reads_per_second: float
    writes_per_second: float


class UnexpectedAnswer(Exception):
    """Something else came back than was asked for, so there is nothing to measure."""


async def keep(pace: Pace, stopped: asyncio.Event) -> Mapping[str, float]:
    """`reads_p50`, `reads_p99`, `writes_p50`, `writes_p99` in milliseconds, and how many of each: `reads`, `writes`.
    Nothing of a kind of which there are none a second.

    Raises `UnexpectedAnswer`, OSError.
    """
    numbers = count()
    kinds = {
        "reads": (pace.reads_per_second, lambda: _get(pace, next(numbers)), b"200"),
        "writes": (pace.writes_per_second, lambda: _grant(pace), b"201"),
    }
    sent = {name: (rate, request, status) for name, (rate, request, status) in kinds.items() if rate}
    taken = await _all_ended([asyncio.create_task(_send(pace, *each, stopped)) for each in sent.values()])
    figures = {}
    for name, seconds in zip(sent, taken, strict=True):
        figures[name] = float(len(seconds))
        figures |= {f"{name}_{share}": value for share, value in milliseconds(seconds).items()}
    return figures


async def _send(
    pace: Pace, per_second: float, request: Callable[[], bytes], status: bytes, stopped: asyncio.Event
) -> Sequence[float]:
    """Seconds from when each request was to be sent to its answer, over several connections that take turns."""
    began, taken = time.perf_counter(), list[float]()
    turns = count()

    async def send_each_in_its_turn() -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, pace.port)
        try:
            while not stopped.is_set():
                due = began + next(turns) / per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                writer.write(request())
                await _read_answer(reader, status)
                if due > began + _FORGET_SECONDS:
                    taken.append(time.perf_counter() - due)
        finally:
            stopped.set()  # Where one fails, all others end too.
            writer.close()
            await writer.wait_closed()

    await _all_ended([asyncio.create_task(send_each_in_its_turn()) for _ in range(_CONNECTIONS)])
    return taken


async def _all_ended(tasks: Sequence["asyncio.Task[T]"]) -> Sequence[T]:
    """What they came to. Where one failed, raises that once all others have ended too."""
    await asyncio.wait(tasks)
    return [task.result() for task in tasks]


async def _read_answer(reader: asyncio.StreamReader, status: bytes) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    lengths = [line.partition(b":")[2] for line in lines if line.lower().startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0]))
    if lines[0].split()[1] != status:
        raise UnexpectedAnswer(f"{lines[0].decode()}: {body.decode(errors='replace')}")


def _get(pace: Pace, number: int) -> bytes:
    return _request(pace, "GET", pace.paths[number % len(pace.paths)], b"")


def _grant(pace: Pace) -> bytes:
    user_id = f"benchmark-{uuid.uuid4().hex}"
    body = {"user_id": user_id, "credit_type": "api", "amount": 10, "reason": "a benchmark"}
    return _request(pace, "POST", "/api/v1/credits/grant", json.dumps(body).encode(), user_id)


def _request(pace: Pace, method: str, path: str, body: bytes, key: str = "") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}", f"Authorization: {pace.authorization}"]
    if body:
        lines += ["Content-Type: application/json", f"Idempotency-Key: {key}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def brought(pace: Pace) -> Iterator[Callable[[], Mapping[str, float]]]:
    """Reads and writes by a process of its own while the block runs. What is given tells their figures, afterwards."""
    command = [sys.executable, "-m", "benchmarks.paced"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None, "a pipe was asked for"
        process.stdin.write(json.dumps(pace._asdict()) + "\n")
        process.stdin.flush()
        figures: dict[str, float] = {}
        try:
            yield lambda: figures
            said, _ = process.communicate(timeout=_LAST_ANSWERS_SECONDS)  # Which ends its standard input.
            if process.returncode != 0:
                raise RuntimeError("The load could not be brought; see above.")
            figures |= json.loads(said)
        finally:
            process.kill()


async def _main(pace: Pace) -> Mapping[str, float]:
    stopped = asyncio.Event()
    waiting = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    waiting.add_done_callback(lambda _: stopped.set())
    return await keep(pace, stopped)


def main() -> None:
    pace = Pace(**json.loads(sys.stdin.readline()))
    print(json.dumps(asyncio.run(_main(pace))))


if __name__ == "__main__":
    main()
