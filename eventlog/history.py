"""The log as it stood: where it ended at some moment, and what had happened to one stream by then. From the store."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row

from eventlog.store import fact_in
from runtime.postgres import Pool
from schemas import chain
from schemas.envelope import Recorded

_POSITION_AT = files(__package__).joinpath("history.position_at.sql").read_bytes()
_FACTS = files(__package__).joinpath("history.facts.sql").read_bytes()
_HEAD = "SELECT coalesce(max(position), 0) FROM store.positions"

_AT_ONCE = 500


class End(NamedTuple):
    """Where the log ended at a moment, and where it ends now; 0 where it had not begun. Of the future nothing is known."""

    position: int
    head: int
    is_future: bool


async def end_at(pool: Pool, moment: datetime) -> End:
    """The last position that was not numbered later than this moment, by the clock of Postgres."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_POSITION_AT, {"moment": moment})).fetchone()
    assert row is not None, "a search ends somewhere"
    return End(*row)


async def head(pool: Pool) -> int:
    """The highest position; 0 where nothing is numbered yet."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_HEAD)).fetchone()
    return row[0] if row else 0


async def facts(pool: Pool, stream: str, up_to: int) -> AsyncIterator[Recorded]:
    """A stream's facts in order, as far as they were numbered up to a position. Read page by page, so memory stays flat."""
    after = 0
    while True:
        async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_FACTS, _wanted(stream, after, up_to), prepare=True, binary=True)
            page = [fact_in(row) for row in await cursor.fetchall()]
        for fact in page:
            yield fact
        if len(page) < _AT_ONCE:
            return
        after = page[-1].version


class History:
    """The same for those who own their thread, over an autocommit connection."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def end_at(self, moment: datetime) -> End:
        """See `end_at`."""
        row = self._connection.execute(_POSITION_AT, {"moment": moment}).fetchone()
        assert row is not None, "a search ends somewhere"
        return End(*row)

    def head(self) -> int:
        """See `head`."""
        row = self._connection.execute(_HEAD).fetchone()
        return row[0] if row else 0

    def topic_of(self, stream: str) -> str | None:
        """The topic of a stream's facts; None where nothing of it is numbered."""
        row = self._connection.execute(
            "SELECT topic FROM store.positions WHERE stream = %s ORDER BY version LIMIT 1", [stream]
        ).fetchone()
        return row[0] if row else None

    def facts(self, stream: str, after: int, up_to: int) -> Sequence[Recorded]:
        """A page of a stream's facts after a version, as far as they were numbered up to a position; empty at its end."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(_FACTS, _wanted(stream, after, up_to), prepare=True, binary=True)
            return [fact_in(row) for row in cursor.fetchall()]


def _wanted(stream: str, after: int, up_to: int) -> Mapping[str, Any]:
    return {"stream": stream, "after": after, "up_to": up_to, "limit": _AT_ONCE, "genesis": chain.GENESIS}
