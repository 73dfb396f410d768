"""Connections that work after the server has closed others, locks of those who hang, transactions that wait once."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection, errors
from psycopg.pq import TransactionStatus

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


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("CREATE TABLE noted (number int PRIMARY KEY)")
        yield opened


def noted(connection: Connection[Any]) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM noted ORDER BY number")]


def note(connection: Connection[Any], *numbers: object) -> None:
    for number in numbers:
        connection.execute("INSERT INTO noted VALUES (%s)", (number,))


def test_a_pipelined_transaction_is_committed_in_one_round_trip(connection: Connection[Any], tmp_path: Path) -> None:
    with (tmp_path / "trace").open("wb") as trace:
        connection.pgconn.trace(trace.fileno())
        with postgres.pipelined_transaction(connection):
            note(connection, 1, 2)
        connection.pgconn.untrace()

    assert (tmp_path / "trace").read_text().count("\tSync") == 1
    assert noted(connection) == [1, 2]


def test_what_postgres_refuses_in_a_pipelined_transaction_undoes_all_of_it(connection: Connection[Any]) -> None:
    with pytest.raises(errors.UniqueViolation), postgres.pipelined_transaction(connection):
        note(connection, 1, 1, 2)

    assert noted(connection) == []
    assert connection.info.transaction_status == TransactionStatus.IDLE


def test_what_fails_here_in_a_pipelined_transaction_undoes_all_of_it(connection: Connection[Any]) -> None:
    with pytest.raises(psycopg.ProgrammingError, match="cannot adapt"), postgres.pipelined_transaction(connection):
        note(connection, 1, object())

    assert noted(connection) == []


def test_a_pipelined_transaction_within_another_is_not_committed_before_that_one(connection: Connection[Any]) -> None:
    with connection.transaction(force_rollback=True):
        with postgres.pipelined_transaction(connection):
            note(connection, 1)
        assert noted(connection) == [1]

    assert noted(connection) == []


def test_a_connection_that_is_lost_in_a_pipelined_transaction_is_told_as_such(connection: Connection[Any]) -> None:
    with pytest.raises(psycopg.OperationalError), postgres.pipelined_transaction(connection):
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())").fetchall()

    assert connection.closed
