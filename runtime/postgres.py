"""Postgres: pools for the async side, plain connections for the processes that own their thread, and the wait at the start."""

import asyncio
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import structlog
from psycopg import AsyncConnection, Connection, errors
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

log = structlog.get_logger()


class Pool(AsyncConnectionPool[AsyncConnection[Any]]):
    """Hands out no connection that the server has closed meanwhile: after a restart of Postgres nobody gets an old one."""

    async def getconn(self, timeout: float | None = None) -> AsyncConnection[Any]:  # noqa: ASYNC109 - as the pool has it
        while _closed_by_server(connection := await super().getconn(timeout)):
            await connection.close()
            await self.putconn(connection)  # The pool replaces what comes back closed.
        return connection

    async def execute(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """Run one statement on whichever connection is free. Returns how many rows it touched."""
        async with self.connection() as connection:
            return (await connection.execute(statement, values)).rowcount

    async def rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """All rows that a query finds, by column."""
        async with self.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return await (await cursor.execute(query, values)).fetchall()


def _closed_by_server(connection: AsyncConnection[Any]) -> bool:
    """Whether there is something to read: nothing is sent unasked to an idle connection but its end. Asks nobody."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


# The connection is gone, or the server has ended it because a transaction took longer than its patience.
INTERRUPTED = (psycopg.OperationalError, errors.TransactionTimeout, errors.IdleInTransactionSessionTimeout)


class PostgresUnreachable(Exception):
    """Postgres did not answer in time. The message says where it was looked for and how to start it."""

    def __init__(self, database_url: str, error: Exception) -> None:
        parts, reason = urlsplit(database_url), str(error).splitlines()[0]
        super().__init__(
            f"Postgres does not answer at {parts.hostname or 'the local socket'}:{parts.port or 5432} ({reason})."
            " Start it (`make up` starts one, `python -m sandbox postgres` one alone) or set DATABASE_URL."
        )


def sentence(error: psycopg.Error) -> str:
    """What an error half-way means for whoever runs a tool: the connection is gone, or the database is not ours."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, (errors.UndefinedTable, errors.UndefinedColumn)):
        return f"The database is not as this code needs it ({reason}). Run `python -m migrations up`."
    return f"Postgres broke off ({reason}). See that it runs."


def pool(database_url: str, *, name: str, size: int, timeout_seconds: float = 5.0, plans_once: bool = False) -> Pool:
    """A pool of autocommit connections, not yet open. A caller waits for one at most `timeout_seconds`.

    With `plans_once`, a prepared statement is planned for any parameters, and not for those of each use: right for long
    statements that look rows up by their keys, of which the planning takes longer than the work.
    """
    return Pool(
        database_url,
        kwargs={"autocommit": True, "application_name": f"tillstream {name}", "connect_timeout": 5},
        min_size=1,
        max_size=size,
        timeout=timeout_seconds,
        configure=_plan_once if plans_once else None,
        reconnect_timeout=5.0,  # then a caller's wish makes a new attempt; the pool's own pauses double up to minutes
        name=name,
        open=False,
    )


async def _plan_once(connection: AsyncConnection[Any]) -> None:
    await connection.execute("SET plan_cache_mode = force_generic_plan")


def connect(
    database_url: str, *, name: str, autocommit: bool = False, patience_seconds: float | None = None
) -> Connection[Any]:
    """A connection of one's own.

    With `patience_seconds`, Postgres ends a transaction that takes longer: a process that was stopped or cut off in the
    middle of one must not keep its locks, and with them whoever is to take over. Before Postgres 17 it ends only those in
    which nothing is asked for that long, and takes one that hangs within a pipeline for busy.
    """
    connection = psycopg.connect(
        database_url, autocommit=autocommit, application_name=f"tillstream {name}", connect_timeout=5
    )
    if patience_seconds is not None:
        newer = connection.info.server_version >= 170_000
        setting = "transaction_timeout" if newer else "idle_in_transaction_session_timeout"
        connection.execute("SELECT set_config(%s, %s, false)", (setting, f"{patience_seconds * 1000:.0f}"))
        if not autocommit:
            connection.commit()
    return connection


@contextmanager
def pipelined_transaction(connection: Connection[Any]) -> Iterator[None]:
    """A transaction of an autocommit connection that waits for Postgres once, at its end, and wherever something is fetched.

    `Connection.transaction` waits four times within a pipeline: for BEGIN, for what was asked, for COMMIT, and once more.
    As there, an error rolls all back; one of Postgres comes out at the end, or where something is fetched. Within another
    transaction, which is not ours to commit, this is that one's savepoint.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        with connection.pipeline(), connection.transaction():
            yield
        return
    try:
        with connection.pipeline():
            connection.execute("BEGIN", prepare=False)
            yield
            connection.execute("COMMIT", prepare=False)
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise


def wait_until_ready(database_url: str, timeout_seconds: float = 30.0) -> None:
    """Return once Postgres answers; say so if it does not, and raise `PostgresUnreachable` if it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    said = False
    while True:
        try:
            with psycopg.connect(database_url, connect_timeout=2):
                return
        except psycopg.OperationalError as error:
            unreachable = PostgresUnreachable(database_url, error)
            if time.monotonic() > deadline:
                raise unreachable from error
            if not said:
                log.warning("waiting", reason=str(unreachable), at_most_seconds=timeout_seconds)
                said = True
            time.sleep(0.2)


async def open_pool(opening: Pool, database_url: str, timeout_seconds: float = 30.0) -> None:
    """Open a pool once Postgres answers; raise `PostgresUnreachable` if it does not in time."""
    await asyncio.to_thread(wait_until_ready, database_url, timeout_seconds)
    await opening.open()
