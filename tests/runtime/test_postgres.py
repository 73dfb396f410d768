"""Pools hand out connections that work, also after the server has closed the ones they held."""

import time

import psycopg

from runtime import postgres


async def test_connections_that_the_server_closed_are_never_handed_out(database_url: str) -> None:
    async with postgres.pool(database_url, name="test", size=3) as pool:
        await pool.resize(3, 3)
        await pool.wait()
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        for _ in range(5):
            async with pool.connection() as connection:
                assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


def test_a_process_that_hangs_in_a_transaction_does_not_keep_its_locks(database_url: str) -> None:
    hanging = postgres.connect(database_url, name="hanging", patience_seconds=0.5)
    hanging.execute("SELECT FROM store.publisher FOR UPDATE")

    started = time.monotonic()
    with psycopg.connect(database_url) as successor:
        successor.execute("UPDATE store.publisher SET epoch = epoch + 1")

    assert 0.3 < time.monotonic() - started < 10
    hanging.close()
