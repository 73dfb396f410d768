"""Reads of the event store that come at the same moment."""

import asyncio
from typing import Any

import pytest

from commands.store import loading, reading
from commands.store.postgres import PostgresStore
from runtime.postgres import Pool
from tests.commands.store.shopping import Wallets, context, pay_in, wallet
from tests.commands.store.test_cache import past_changed


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked for, query by query."""
    asked: list[Any] = []
    load = loading.load

    async def noting(connection: Any, command_ids: Any, streams: Any, recent: Any) -> Any:
        asked.append((set(command_ids), {stream.id for stream in streams}))
        return await load(connection, command_ids, streams, recent)

    monkeypatch.setattr(reading, "load", noting)
    return asked


async def test_reads_that_wait_at_the_same_moment_are_one_query(postgres: PostgresStore, queries: list[Any]) -> None:
    streams, commands = [wallet() for _ in range(20)], [context() for _ in range(20)]
    for stream, command in zip(streams, commands, strict=True):
        await postgres.record(command, [stream], pay_in(stream))

    balances, receipts, nothing = await asyncio.gather(
        asyncio.gather(*(balance(postgres, stream) for stream in streams)),
        asyncio.gather(*(postgres.receipt(command) for command in commands)),
        postgres.receipt(context()),
    )

    assert balances == [5] * 20
    assert [receipt and receipt.versions for receipt in receipts] == [{stream.id: 1} for stream in streams]
    assert nothing is None
    assert len(queries) == 1


async def test_a_stream_that_cannot_be_read_harms_only_who_asks_for_it(
    postgres: PostgresStore, connections: Pool, database_url: str
) -> None:
    broken, sound = wallet(), wallet()
    await postgres.record(context(), [broken, sound], pay_in(broken, sound))
    await past_changed(connections, f"UPDATE store.events SET payload = 'unreadable' WHERE stream = '{broken.id}'")
    fresh = PostgresStore(connections)

    fault, paid_in, gone = await asyncio.gather(
        balance(fresh, broken), balance(fresh, sound), left(fresh, sound), return_exceptions=True
    )

    assert isinstance(fault, Exception)
    assert paid_in == 5
    assert gone is None
    await fresh.close()


async def balance(store: PostgresStore, stream: Wallets) -> int:
    state = await store.load(stream)
    assert state is not None
    return state.balance


async def left(store: PostgresStore, stream: Any) -> None:
    """A caller who does not wait for the answer."""
    asking = asyncio.create_task(store.load(stream))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
