"""Look-ups by key: those that wait in the event loop at the same moment go to Postgres together, as one query."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Row = TypeVar("Row")

_KEYS_PER_QUERY = 500


class Coalesced(Generic[Key, Row]):
    """Gets rows one by one for its callers and many at a time from `fetch`, which leaves out keys that have no row.

    One query is under way at a time; what is asked for meanwhile makes up the next.
    """

    def __init__(self, fetch: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Row]]]) -> None:
        self._fetch = fetch
        self._waiting: dict[Key, asyncio.Future[Row | None]] = {}
        self._working: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Row | None:
        """The row of a key; None where there is none. Raises what `fetch` raised."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await asyncio.shield(answer)  # One who waits may be cancelled; others wait for the same row.

    async def _work(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:_KEYS_PER_QUERY]
                await self._answer({key: self._waiting.pop(key) for key in keys})
        finally:
            self._working = None

    async def _answer(self, waiting: Mapping[Key, asyncio.Future[Row | None]]) -> None:
        try:
            rows = await self._fetch(list(waiting))
        except Exception as error:
            for answer in waiting.values():
                answer.set_exception(error)
        else:
            for key, answer in waiting.items():
                answer.set_result(rows.get(key))
