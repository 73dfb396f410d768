"""A long wallet loaded by a process that does not remember it: from its snapshot, beside all of its facts."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import psycopg
import uvloop

from benchmarks import workload
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers
from commands.credits import Account, ConsumeCredits, GrantCredits, consume_credits, grant_credits
from commands.store.postgres import PostgresStore
from runtime import postgres

_EVENTS = 20_000
_AT_ONCE = 400
_LOADS = 3

_ACCOUNT = Account(project_id=workload.PROJECT_ID, user_id="u1", credit_type="api")


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    events = max(400, int(_EVENTS * share))
    with servers.database() as database_url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live_long(database_url, events))
        measure = partial(_measure, runner, database_url)
        yield Sides(ceiling=partial(measure, from_snapshot=False), ours=partial(measure, from_snapshot=True))


async def _live_long(database_url: str, events: int) -> None:
    """Credits given now and then, and spent one by one."""
    async with postgres.pool(database_url, name="store", size=4) as pool:
        store = PostgresStore(pool)
        for start in range(0, events, _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, events))
            await asyncio.gather(*(_grant(store) if number % 100 == 0 else _spend(store) for number in some))
        await store.close()


async def _grant(store: PostgresStore) -> None:
    command = GrantCredits(account=_ACCOUNT, amount=1_000, reason="benchmark", priority=100, expires_at=None)
    await grant_credits(command, workload.context(uuid4(), datetime.now(UTC)), store)


async def _spend(store: PostgresStore) -> None:
    command = ConsumeCredits(account=_ACCOUNT, amount=1, reference=None)
    await consume_credits(command, workload.context(uuid4(), datetime.now(UTC)), store)


def _measure(runner: asyncio.Runner, database_url: str, *, from_snapshot: bool) -> Figures:
    took = []
    for _ in range(_LOADS):
        if not from_snapshot:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("DELETE FROM store.snapshots")
        took.append(runner.run(_load(database_url)))
    return {"rate": len(took) / sum(took)}


async def _load(database_url: str) -> float:
    """Seconds for one load by a store that remembers nothing; it keeps a snapshot of what it had to fold, afterwards."""
    async with postgres.pool(database_url, name="store", size=2) as pool:
        store = PostgresStore(pool)
        async with pool.connection():
            pass  # Connecting is not what is measured.
        began = time.perf_counter()
        wallet = await store.load(_ACCOUNT.stream)
        took = time.perf_counter() - began
        assert wallet is not None, "it lived long"
        await store.close()
    return took


ROW = Row(
    name="loading",
    ceiling=f"a wallet of {_EVENTS:,} facts, folded from the first one",
    ours="the same from its snapshot and what came since",
    claims=(Claim(figure="rate", unit="loads/s", aim=10.0),),
    prepare=prepare,
)
