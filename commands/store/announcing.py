"""Telling the publisher that something was recorded, without anybody waiting for it."""

import asyncio

import psycopg
import structlog

from runtime.postgres import Pool

CHANNEL = "tillstream_recorded"
_PAUSE_SECONDS = 0.003  # At most one NOTIFY in this time: one wake-up serves all that was recorded meanwhile.

# Without waiting for the disk: a wake-up that a crash of the server loses is of no use afterwards.
_NOTIFY = f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{CHANNEL}', '')"

log = structlog.get_logger()


class Announcer:
    """Sends NOTIFY after commits: the first one at once, the next ones together."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._due = False
        self._sending: asyncio.Task[None] | None = None

    def announce(self) -> None:
        """Something was committed. Returns at once."""
        self._due = True
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def close(self) -> None:
        """Wait until what is due has been sent."""
        if self._sending is not None:
            await self._sending

    async def _send(self) -> None:
        while self._due:
            self._due = False
            try:
                async with self._pool.connection() as connection:
                    await connection.execute(_NOTIFY)
            except psycopg.OperationalError as error:
                # The publisher looks by itself several times a second: it comes to know of everything all the same.
                log.info("announcement lost", reason=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
