"""Look-ups by key: those that wait in the event loop at the same moment go to Postgres together, as one query."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
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
        self._waiting: dict[Key, list[asyncio.Future[Row | None]]] = {}
        self._working: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Row | None:
        """The row of a key; None where there is none. Raises what `fetch` raised."""
        answer: asyncio.Future[Row | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(answer)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:_KEYS_PER_QUERY]
                await self._answer({key: self._waiting.pop(key) for key in keys})
        finally:
            self._working = None

    async def _answer(self, waiting: Mapping[Key, Sequence[asyncio.Future[Row | None]]]) -> None:
        try:
            rows = await self._fetch(list(waiting))
        except Exception as error:
            for answer in _still_waiting(chain(*waiting.values())):
                answer.set_exception(error)
        else:
            for key, answers in waiting.items():
                for answer in _still_waiting(answers):
                    answer.set_result(rows.get(key))


def _still_waiting(answers: Iterable[asyncio.Future[Row | None]]) -> Iterator[asyncio.Future[Row | None]]:
    """Those whose callers have not given up."""
    return (answer for answer in answers if not answer.done())
