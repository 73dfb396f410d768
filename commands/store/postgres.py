"""The event store in Postgres: what was decided is recorded once, whole, and before anybody is told."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, TypeVar
from uuid import UUID

from commands.ports import Context, Deadline, Decide, Receipt
from commands.store.announcing import Announcer
from commands.store.cache import RecentStreams
from commands.store.committer import Committer
from commands.store.connections import Connection, on_connection
from commands.store.reading import Reader
from commands.store.snapshots import Snapshots
from commands.store.units import Asked
from domain.streams import Stream
from runtime.postgres import Pool

S = TypeVar("S")
E = TypeVar("E")

_DUE = """
    SELECT topic, stream, due_at, project_id FROM store.deadlines
     WHERE topic = %(topic)s AND due_at <= %(now)s ORDER BY due_at, stream LIMIT %(limit)s
"""
_MET = """
    DELETE FROM store.deadlines d
     USING unnest(%(topic)s::text[], %(due_at)s::timestamptz[], %(stream)s::text[]) AS m (topic, due_at, stream)
     WHERE d.topic = m.topic AND d.due_at = m.due_at AND d.stream = m.stream
"""
_PUT_OFF = """
    WITH were AS (
        DELETE FROM store.deadlines d
         USING unnest(%(topic)s::text[], %(due_at)s::timestamptz[], %(stream)s::text[]) AS m (topic, due_at, stream)
         WHERE d.topic = m.topic AND d.due_at = m.due_at AND d.stream = m.stream
        RETURNING d.topic, d.stream, d.project_id
    )
    INSERT INTO store.deadlines (topic, stream, due_at, project_id)
    SELECT DISTINCT topic, stream, %(until)s::timestamptz, project_id FROM were
        ON CONFLICT DO NOTHING
"""

AT_ONCE = 400  # Commands to a commit, at most: more of them gain nothing, and make the first wait for the last.
UNDER_WAY = 2  # Commits at a time: one that is held up does not hold up all.


# A range of the primary key, in whatever order the database sorts text: behind the prefix come hexadecimal digits.
_OWNED = """
SELECT stream FROM store.refs WHERE kind = 'owned' AND value >= %(mine)s AND value < %(mine)s || 'g' ORDER BY value
"""


class PostgresStore:
    """An `EventStore`. Only streams that get facts are guarded against rivals; one that is merely read may move meanwhile."""

    def __init__(self, pool: Pool, *, at_once: int = AT_ONCE, under_way: int = UNDER_WAY) -> None:
        self._pool = pool
        self._announcer = Announcer(pool)
        self._snapshots = Snapshots(pool)
        self._recent = RecentStreams(note=self._snapshots.note)
        self._reader = Reader(pool, self._recent)
        self._committer = Committer(pool, self._recent, self._announcer.announce, at_once=at_once, under_way=under_way)

    async def close(self) -> None:
        """End what is under way, send what is still to be announced, and keep how long streams stand.

        The pool stays open: it belongs to who made it.
        """
        await self._committer.close()
        await self._announcer.close()
        await self._snapshots.close()

    async def load(self, stream: Stream[S, E]) -> S | None:
        loaded = await self._reader.load([], [stream])
        state: S | None = loaded.streams[stream.id].state
        return state

    async def record(self, context: Context, streams: Sequence[Stream[Any, Any]], decide: Decide) -> Receipt:
        asked = Asked(context, streams, decide)
        return asked.receipt(await self._committer.commit(asked))

    async def receipt(self, context: Context) -> Receipt | None:
        loaded = await self._reader.load([context.command_id], [])
        outcome = loaded.standing.get(context.command_id)
        return outcome.replay(context) if outcome else None

    async def find(self, kind: str, value: str) -> str | None:
        found = await self._row("SELECT stream FROM store.refs WHERE kind = %s AND value = %s", kind, value)
        return found[0] if found else None

    async def owned(self, customer_id: str, prefix: str) -> Sequence[str]:
        async def work(connection: Connection) -> Sequence[str]:
            rows = await connection.execute(_OWNED, {"mine": f"{customer_id}/{prefix}"})
            return [row[0] async for row in rows]

        return await on_connection(self._pool, work)

    async def due(self, topic: str, now: datetime, limit: int) -> Sequence[Deadline]:
        async def work(connection: Connection) -> Sequence[Deadline]:
            rows = await connection.execute(_DUE, {"topic": topic, "now": now, "limit": limit})
            return [Deadline(*row) async for row in rows]

        return await on_connection(self._pool, work)

    async def met(self, deadlines: Sequence[Deadline]) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(_MET, _named(deadlines))

        await on_connection(self._pool, work)

    async def put_off(self, deadlines: Sequence[Deadline], until: datetime) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(_PUT_OFF, {**_named(deadlines), "until": until})

        await on_connection(self._pool, work)

    async def take_lease(self, command_id: UUID, seconds: float) -> bool:
        taken = await self._row(
            """
            UPDATE store.inbox SET lease_until = clock_timestamp() + make_interval(secs => %s)
             WHERE command_id = %s AND coalesce(lease_until <= clock_timestamp(), true)
            RETURNING 1
            """,
            seconds,
            command_id,
        )
        return taken is not None

    async def end_lease(self, command_id: UUID) -> None:
        await self._row(
            "UPDATE store.inbox SET lease_until = NULL WHERE command_id = %s AND lease_until IS NOT NULL RETURNING 1",
            command_id,
        )

    async def _row(self, query: LiteralString, *parameters: Any) -> tuple[Any, ...] | None:
        async def first_row(connection: Connection) -> tuple[Any, ...] | None:
            return await (await connection.execute(query, parameters)).fetchone()

        return await on_connection(self._pool, first_row)


def _named(deadlines: Sequence[Deadline]) -> dict[str, list[Any]]:
    return {
        "topic": [deadline.topic for deadline in deadlines],
        "due_at": [deadline.due_at for deadline in deadlines],
        "stream": [deadline.stream_id for deadline in deadlines],
    }
