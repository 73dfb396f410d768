"""The event store in Postgres: what was decided is recorded once, whole, and before anybody is told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, LiteralString, NamedTuple, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, errors

from commands.ports import Context, Decide, Receipt, StoreUnavailable, StreamsBusy
from commands.store.announcing import Announcer
from commands.store.append import RIVALS, Unit, Verdict, append, append_checked
from commands.store.contention import Contention
from commands.store.outcome import Outcome
from commands.store.rows import Write, decide_on
from commands.store.states import FoldedStreams, StoredFact, fold
from domain.streams import Stream
from runtime.postgres import Pool

S = TypeVar("S")
E = TypeVar("E")
T = TypeVar("T")
Connection = AsyncConnection[Any]
Append = Callable[[Connection, Sequence[Unit]], Awaitable[Mapping[UUID, Verdict]]]

_LOAD = files(__package__).joinpath("load.sql").read_bytes()
_LOCK = files(__package__).joinpath("locking.sql").read_bytes()

TRIES = 5

# A process that stops between two statements must not keep its rivals waiting for ever: the server ends its transaction.
_PATIENCE = """
SELECT set_config('lock_timeout', '3s', true), set_config('idle_in_transaction_session_timeout', '5s', true)
"""

# Postgres is away, or has become a standby that takes no writes.
_UNAVAILABLE = (psycopg.OperationalError, errors.ReadOnlySqlTransaction)


class PostgresStore:
    """An `EventStore`. Only streams that get facts are guarded against rivals; one that is merely read may move meanwhile.

    Everything that is done on a connection may be done again on another one, when the first is lost at whatever moment:
    a command looks its own id up before it decides, so it is recorded once even when the answer to its commit was lost.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._announcer = Announcer(pool)
        self._contention = Contention()
        # Who queues up for a stream waits with a connection in hand: half of the pool stays free of them.
        self._queued = asyncio.Semaphore(max(1, pool.max_size // 2))

    async def close(self) -> None:
        """Send what is still to be announced. The pool stays open: it belongs to who made it."""
        await self._announcer.close()

    async def load(self, stream: Stream[S, E]) -> S | None:
        _, states = await self._on_connection(lambda connection: _load(connection, None, [stream]))
        return states[stream]

    async def record(self, context: Context, streams: Sequence[Stream[Any, Any]], decide: Decide) -> Receipt:
        asked = _Asked(context, streams, decide)
        recorded = await self._at_once(asked) or await self._in_turn(asked)
        if isinstance(recorded, Outcome):
            return recorded.replay(context)
        if recorded.events:
            self._announcer.announce()
        return recorded.receipt()

    async def receipt(self, context: Context) -> Receipt | None:
        standing, _ = await self._on_connection(lambda connection: _load(connection, context.command_id, []))
        return standing.replay(context) if standing else None

    async def find(self, kind: str, value: str) -> str | None:
        found = await self._row("SELECT stream FROM store.refs WHERE kind = %s AND value = %s", kind, value)
        return found[0] if found else None

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

    async def _at_once(self, asked: "_Asked") -> Write | Outcome | None:
        if self._contention.among(asked.stream_ids()):
            return None
        return self._noted(asked, await self._on_connection(partial(_write_at_once, asked)))

    async def _in_turn(self, asked: "_Asked") -> Write | Outcome:
        async with self._queued:
            for _ in range(TRIES - 1):
                recorded = self._noted(asked, await self._on_connection(partial(_write_alone, asked)))
                if recorded is not None:
                    return recorded
        raise StreamsBusy

    def _noted(self, asked: "_Asked", recorded: Write | Outcome | None) -> Write | Outcome | None:
        if recorded is None:
            self._contention.note(asked.stream_ids())
        return recorded

    async def _row(self, query: LiteralString, *parameters: Any) -> tuple[Any, ...] | None:
        async def first_row(connection: Connection) -> tuple[Any, ...] | None:
            return await (await connection.execute(query, parameters)).fetchone()

        return await self._on_connection(first_row)

    async def _on_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run work on a connection; if that dies, once more on another. Raises `StoreUnavailable`."""
        try:
            try:
                return await self._on_one_connection(work)
            except ConnectionLost:
                await self._pool.check()  # Postgres was started anew: the pool's idle connections are dead as well.
                return await self._on_one_connection(work)
        except _UNAVAILABLE as error:
            raise StoreUnavailable from error

    async def _on_one_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._pool.connection() as connection:
            try:
                return await work(connection)
            except psycopg.Error as error:
                if connection.closed:
                    raise ConnectionLost from error
                raise


class ConnectionLost(psycopg.OperationalError):
    """The connection died under our work, and whether its last statement was carried out is unknown."""


class _Asked(NamedTuple):
    """A command as `record` was asked for it."""

    context: Context
    streams: Sequence[Stream[Any, Any]]
    decide: Decide

    def stream_ids(self) -> list[str]:
        return [stream.id for stream in self.streams]


async def _write_at_once(asked: _Asked, connection: Connection) -> Write | Outcome | None:
    """The usual way: no locks, trusting that no rival writes the same streams meanwhile. None where one did."""
    try:
        return await _write(asked, connection, append)
    except RIVALS:
        return None


async def _write_alone(asked: _Asked, connection: Connection) -> Write | Outcome | None:
    """Among rivals: wait for one's turn. None where somebody who does not queue, a newcomer elsewhere, was faster again."""
    try:
        async with connection.transaction():
            await connection.execute(_PATIENCE)
            await connection.execute(_LOCK, {"streams": asked.stream_ids()}, prepare=True)
            return await _write(asked, connection, append_checked)
    except RIVALS:
        return None
    except errors.LockNotAvailable as error:
        raise StreamsBusy from error


async def _write(asked: _Asked, connection: Connection, append_units: Append) -> Write | Outcome | None:
    standing, states = await _load(connection, asked.context.command_id, asked.streams)
    if standing is not None:
        return standing
    write = decide_on(states, asked.context, asked.decide)
    verdict = (await append_units(connection, [[write]]))[asked.context.command_id]
    return write if verdict.word == "done" else verdict.outcome


async def _load(
    connection: Connection, command_id: UUID | None, streams: Sequence[Stream[Any, Any]]
) -> tuple[Outcome | None, FoldedStreams]:
    """What the command came to, if it was recorded (then no stream is read), and the streams as they stand."""
    asked = {"command_id": command_id, "streams": [stream.id for stream in streams]}
    rows = await (await connection.execute(_LOAD, asked, prepare=True, binary=True)).fetchall()
    standing = [Outcome.from_row(*recorded) for stream, _, _, *recorded in rows if stream is None]
    facts = [StoredFact(*fact) for *fact, _, _, _, _ in rows if fact[0] is not None]
    return (standing[0] if standing else None), fold(streams, facts)
