"""Commands through the event store, beside the bare three-table statement."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import uvloop
from psycopg import AsyncConnection

from benchmarks import workload
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers
from commands.ports import Context, Decided
from commands.store.postgres import AT_ONCE, UNDER_WAY, PostgresStore
from commands.store.rows import event_row
from domain.payment import PAYMENTS
from runtime import postgres

_COMMANDS = 3_000
_CONNECTIONS = 10  # As many as the API gives its store.
_CALLERS = 64

_BARE = Path(__file__).with_suffix(".bare.sql").read_bytes()

Work = Callable[[], Awaitable[object]]


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    count = int(_COMMANDS * share)
    with servers.database() as database_url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield Sides(
            ceiling=lambda: runner.run(_bare(database_url, count)), ours=lambda: runner.run(_ours(database_url, count))
        )


async def _bare(database_url: str, count: int) -> Figures:
    """One insert into inbox, events and outbox after the other on each connection, with parameters made beforehand."""
    rows = iter([_row(_context()) for _ in range(count)])
    connections = [await AsyncConnection.connect(database_url, autocommit=True) for _ in range(_CONNECTIONS)]

    async def insert_all(connection: AsyncConnection[Any]) -> None:
        for row in rows:
            await connection.execute(_BARE, row, prepare=True, binary=True)

    rate = await _rate(count, [partial(insert_all, connection) for connection in connections])
    for connection in connections:
        await connection.close()
    return rate


@contextmanager
def prepare_grouping(servers: Servers, share: float) -> Iterator[Sides]:
    count = int(_COMMANDS * share)
    with servers.database() as database_url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield Sides(
            ceiling=lambda: runner.run(_ours(database_url, count, at_once=1, under_way=_CONNECTIONS)),
            ours=lambda: runner.run(_ours(database_url, count)),
        )


async def _ours(database_url: str, count: int, at_once: int = AT_ONCE, under_way: int = UNDER_WAY) -> Figures:
    """Callers that each wait for their answer: state loaded, decided, encoded, recorded, the publisher told."""
    pool = postgres.pool(database_url, name="store", size=_CONNECTIONS, plans_once=True)
    await pool.open(wait=True)
    store = PostgresStore(pool, at_once=at_once, under_way=under_way)
    contexts = iter([_context() for _ in range(count)])

    async def record_all() -> None:
        for context in contexts:
            await _record(store, context)

    rate = await _rate(count, [record_all] * _CALLERS)
    await store.close()
    await pool.close()
    return rate


async def _rate(count: int, workers: Sequence[Work]) -> Figures:
    began = time.perf_counter()
    await asyncio.gather(*(work() for work in workers))
    return {"rate": count / (time.perf_counter() - began)}


async def _record(store: PostgresStore, context: Context) -> None:
    payment = PAYMENTS.at(_payment_id(context.command_id))
    facts = payment.facts(workload.initiated(payment.id, "u1", context.now))
    await store.record(context, [payment], lambda _: Decided([facts], {"payment_id": payment.id}))


def _row(context: Context) -> Mapping[str, Any]:
    payment_id = _payment_id(context.command_id)
    event = event_row(payment_id, 1, workload.initiated(payment_id, "u1", context.now), context.actor)
    return {
        "command_id": context.command_id,
        "project_id": context.project_id,
        "fingerprint": context.fingerprint,
        "answer": f'{{"payment_id": "{payment_id}"}}',
        "versions": f'{{"{payment_id}": 1}}',
        "recorded_at": context.now,
        "actor": context.actor,
        "request_id": context.request_id,
        "causation_id": context.causation_id,
        "stream": payment_id,
        "topic": event.topic,
        "type": event.type,
        "event_id": event.event_id,
        "schema_id": event.schema_id,
        "payload": event.payload,
    }


def _context() -> Context:
    return workload.context(uuid4(), datetime.now(UTC))


def _payment_id(command_id: UUID) -> str:
    return f"pay_{command_id.hex}"


ROW = Row(
    name="appending",
    ceiling=f"the bare three-table insert, {_CONNECTIONS} connections in a loop",
    ours=f"the event store, {_CALLERS} callers at a time",
    claims=(Claim(figure="rate", unit="commands/s", aim=None),),
    prepare=prepare,
)

GROUPING = Row(
    name="grouping",
    ceiling=f"the same store, each command a commit of its own, {_CONNECTIONS} at a time",
    ours=f"the event store, {_CALLERS} callers at a time",
    claims=(Claim(figure="rate", unit="commands/s", aim=2.5),),
    prepare=prepare_grouping,
)
