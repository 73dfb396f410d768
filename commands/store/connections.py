"""Work on a connection, done again on another one where the first is lost at whatever moment."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, errors

from commands.ports import StoreUnavailable
from runtime.postgres import Pool

T = TypeVar("T")
Connection = AsyncConnection[Any]

# Postgres is away, or has become a standby that takes no writes.
_UNAVAILABLE = (psycopg.OperationalError, errors.ReadOnlySqlTransaction)


class ConnectionLost(psycopg.OperationalError):
    """The connection died under our work, and whether its last statement was carried out is unknown."""


async def on_connection(pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run work on a connection; if that dies, once more on another. Raises `StoreUnavailable`.

    So work must find out by itself what it has done already: a command looks its own id up before it decides, and is
    recorded once even when the answer to its commit was lost.
    """
    try:
        try:
            return await _on_one_connection(pool, work)
        except ConnectionLost:
            await pool.check()  # Postgres was started anew: the pool's idle connections are dead as well.
            return await _on_one_connection(pool, work)
    except _UNAVAILABLE as error:
        raise StoreUnavailable from error


async def _on_one_connection(pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    async with pool.connection() as connection:
        try:
            return await work(connection)
        except psycopg.Error as error:
            if connection.closed:
                raise ConnectionLost from error
            raise
