"""Both stores, and what a test needs to look behind them."""

from collections.abc import AsyncIterator

import pytest

from commands.ports import EventStore
from commands.store.memory import MemoryStore
from commands.store.postgres import PostgresStore
from runtime.postgres import Pool, pool


@pytest.fixture
async def connections(database_url: str) -> AsyncIterator[Pool]:
    opened = pool(database_url, name="test", size=8)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def postgres(connections: Pool) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(connections)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> EventStore:
    """Each test that asks for a `store` runs once with either."""
    if request.param == "memory":
        return MemoryStore()
    chosen: EventStore = request.getfixturevalue("postgres")
    return chosen
