"""Reads that wait in the event loop at the same moment go to Postgres together, as one query."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from commands.store.cache import RecentStreams
from commands.store.connections import Connection, on_connection
from commands.store.loading import Loaded, load
from domain.errors import DomainError
from domain.streams import Stream
from runtime.postgres import Pool

_AT_ONCE = 200  # Reads to a query, at most: the first should not wait for the last for long.


class _Read(NamedTuple):
    command_ids: Sequence[UUID]
    streams: Sequence[Stream[Any, Any]]
    loaded: "asyncio.Future[Loaded]"


class Reader:
    """Loads for its callers one by one, and from Postgres many at a time. One query is under way; the next one gathers."""

    def __init__(self, pool: Pool, recent: RecentStreams) -> None:
        self._pool = pool
        self._recent = recent
        self._waiting: list[_Read] = []
        self._working: asyncio.Task[None] | None = None

    async def load(self, command_ids: Sequence[UUID], streams: Sequence[Stream[Any, Any]]) -> Loaded:
        """As `loading.load`: at least what was asked for. Raises `StoreUnavailable`."""
        read = _Read(command_ids, streams, asyncio.get_running_loop().create_future())
        self._waiting.append(read)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await read.loaded

    async def _work(self) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._answer([read for read in taken if not read.loaded.done()])  # The others' callers have left.
        finally:
            self._working = None

    async def _answer(self, reads: Sequence[_Read]) -> None:
        """One of them may be of a stream that cannot be folded. Then each alone, so that nobody else suffers from it."""
        try:
            loaded = await self._load(reads)
        except Exception as error:
            if len(reads) > 1 and not isinstance(error, DomainError):
                for read in reads:
                    await self._answer([read])
                return
            for read in _still_waiting(reads):
                read.loaded.set_exception(error)
        else:
            for read in _still_waiting(reads):
                read.loaded.set_result(loaded)

    async def _load(self, reads: Sequence[_Read]) -> Loaded:
        command_ids = list({command_id for read in reads for command_id in read.command_ids})
        streams = list({stream.id: stream for read in reads for stream in read.streams}.values())

        async def work(connection: Connection) -> Loaded:
            return await load(connection, command_ids, streams, self._recent)

        return await on_connection(self._pool, work)


def _still_waiting(reads: Sequence[_Read]) -> Sequence[_Read]:
    return [read for read in reads if not read.loaded.done()]
