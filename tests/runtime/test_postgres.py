"""Pools hand out connections that work, also after the server has closed the ones they held."""

import psycopg

from runtime import postgres


async def test_connections_that_the_server_closed_are_never_handed_out(database_url: str) -> None:
    async with postgres.pool(database_url, name="test", size=3) as pool:
        await pool.resize(3, 3)
        await pool.wait()
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = 'tillstream test'"
            )

        for _ in range(5):
            async with pool.connection() as connection:
                assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
