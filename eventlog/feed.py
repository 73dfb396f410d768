"""The log as one project pulls it: its own facts in the one order of positions, and word of when there may be more."""

import asyncio
import time
from collections.abc import Sequence
from importlib.resources import files

from psycopg.rows import dict_row

from runtime.postgres import Pool
from schemas import chain, codec
from schemas.envelope import Recorded

_PAGE = files(__package__).joinpath("feed.page.sql").read_bytes()

_LOOK_SECONDS = 0.1


class Feed:
    """Reads what is numbered, whether Kafka has it yet or not: no fact can come to stand before one that was read.

    However many wait, one query looks for all of them whether there is more, and none while nobody waits.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._looking: asyncio.Task[int] | None = None

    async def page(self, project_id: str, after: int, limit: int) -> Sequence[Recorded]:
        """Up to `limit` facts of a project after a position, in order."""
        wanted = {"project_id": project_id, "after": after, "limit": limit, "genesis": chain.GENESIS}
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_PAGE, wanted, prepare=True, binary=True)
            return [Recorded(**row, event=codec.decode(row["value"]).event) for row in await cursor.fetchall()]

    async def holds(self, project_id: str, position: int) -> bool:
        """Whether the fact at this position is this project's."""
        async with self._pool.connection() as connection:
            found = await connection.execute(
                "SELECT FROM store.positions WHERE position = %s AND project_id = %s", [position, project_id]
            )
            return await found.fetchone() is not None

    async def head(self) -> int:
        """The highest position of all; 0 at first."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute("SELECT max(position) FROM store.positions")).fetchone()
        return row[0] or 0 if row else 0

    async def wait_beyond(self, head: int, timeout_seconds: float) -> int:
        """The highest position once it is above `head`, or after the time-out. One fact of anybody's ends the wait."""
        deadline = time.monotonic() + timeout_seconds
        while (now := await self._look()) <= head and time.monotonic() < deadline:
            pass
        return now

    async def _look(self) -> int:
        """A look at the head that all who wait share. Cancelling one of them does not end it for the others."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_in_a_moment())
        return await asyncio.shield(self._looking)

    async def _look_in_a_moment(self) -> int:
        await asyncio.sleep(_LOOK_SECONDS)
        return await self.head()
