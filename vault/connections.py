"""Connections for the vault, and what it says when Postgres does not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection

from runtime.postgres import Pool
from vault.port import VaultUnavailable


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection of the pool. Raises `VaultUnavailable` where there is none to be had, or it breaks meanwhile."""
    try:
        async with pool.connection() as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise VaultUnavailable from error
