"""Rivals for the stores' tests: stores of other processes, and decisions during which one of them is faster."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from commands.ports import Context, Decided, Receipt, States
from commands.store.postgres import PostgresStore
from runtime.postgres import pool
from tests.commands.store.shopping import Wallets, context, pay_in


@asynccontextmanager
async def another_store(
    database_url: str, *, size: int = 4, timeout_seconds: float = 5.0
) -> AsyncIterator[PostgresStore]:
    """A store with a pool of its own, as in another process."""
    async with pool(database_url, name="another", size=size, timeout_seconds=timeout_seconds) as connections:
        store = PostgresStore(connections)
        yield store
        await store.close()


def meanwhile(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Do something to its end on another thread, while the one who calls this is kept waiting."""
    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    thread.join()


def overtaken(
    decide: Callable[[States], Decided], rival: Callable[[], Coroutine[Any, Any, object]], times: int = 1
) -> Callable[[States], Decided]:
    """A decision during which a rival commits, the first so many times that it is taken."""
    left = [None] * times

    def slow(states: States) -> Decided:
        decided = decide(states)
        if left:
            left.pop()
            meanwhile(rival)
        return decided

    return slow


def rival_who_records(
    database_url: str, stream: Wallets, *, asked: Context | None = None
) -> Callable[[], Coroutine[Any, Any, object]]:
    """Somebody elsewhere who pays 100 into this wallet each time."""

    async def record() -> Receipt:
        async with another_store(database_url) as store:
            return await store.record(asked or context(), [stream], pay_in(stream, amount=100))

    return record
