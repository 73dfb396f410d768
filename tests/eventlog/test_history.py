"""The log as it stood: its end at any moment, and a stream's facts up to any position."""

import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from eventlog import history
from eventlog.history import End, History
from runtime import postgres
from runtime.postgres import Pool
from schemas.envelope import Recorded
from tests.published import lives_of_payments, put_in_store

FACTS = lives_of_payments(30).facts
HEAD = len(FACTS)
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Any]]:
    """A log whose facts were numbered at intervals of a second, some of them at the same moment."""
    put_in_store(database_url, FACTS)
    chance = random.Random(7)
    with psycopg.connect(database_url, autocommit=True) as connection:
        seconds = sorted(chance.randrange(HEAD) for _ in FACTS)
        for position, second in enumerate(seconds, start=1):
            at = BEGAN + timedelta(seconds=second)
            connection.execute("UPDATE store.positions SET numbered_at = %s WHERE position = %s", [at, position])
        yield connection


@pytest.fixture
async def pool(connection: Connection[Any], database_url: str) -> AsyncIterator[Pool]:
    opening = postgres.pool(database_url, name="tests", size=2)
    await opening.open()
    yield opening
    await opening.close()


def last_not_later(connection: Connection[Any], moment: datetime) -> int:
    query = "SELECT coalesce(max(position), 0) FROM store.positions WHERE numbered_at <= %s"
    [(position,)] = connection.execute(query, [moment]).fetchall()
    return int(position)


@pytest.mark.parametrize("missing", [range(0), range(5, 9), range(20, 60), range(1, 40)], ids=str)
def test_the_end_at_a_moment_is_the_last_position_that_was_not_numbered_later(
    connection: Connection[Any], missing: range
) -> None:
    """Positions are missing where an older store was accepted: those are in Kafka only."""
    connection.execute("DELETE FROM store.positions WHERE position = ANY (%s)", [list(missing)])
    log = History(connection)

    for second in range(-2, HEAD + 2):
        for moment in (BEGAN + timedelta(seconds=second), BEGAN + timedelta(seconds=second, microseconds=1)):
            found = log.end_at(moment)

            expected = last_not_later(connection, moment)
            assert (found.head, found.is_future) == (HEAD, False)
            assert not set(range(expected + 1, found.position + 1)) - set(missing)
            assert found.position >= expected


async def test_both_faces_say_the_same_of_the_present_the_future_and_an_empty_log(
    pool: Pool, connection: Connection[Any]
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for moment, expected in (
        (datetime.now(UTC) - timedelta(minutes=1), End(HEAD, HEAD, is_future=False)),
        (tomorrow, End(HEAD, HEAD, is_future=True)),
    ):
        assert await history.end_at(pool, moment) == History(connection).end_at(moment) == expected
    connection.execute("TRUNCATE store.positions")
    assert await history.end_at(pool, BEGAN) == End(0, 0, is_future=False)
    assert await history.head(pool) == 0


@pytest.mark.parametrize("at_once", [1, 2, 500])
async def test_a_stream_s_facts_come_in_order_up_to_a_position(
    pool: Pool, connection: Connection[Any], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("eventlog.history._AT_ONCE", at_once)
    for stream in {fact.stream for fact in FACTS}:
        for up_to in (1, HEAD // 2, HEAD):
            expected = [fact for fact in FACTS if fact.stream == stream and fact.position <= up_to]

            assert [fact async for fact in history.facts(pool, stream, up_to)] == expected
            assert every(History(connection), stream, up_to) == expected


def every(log: History, stream: str, up_to: int) -> list[Recorded]:
    facts: list[Recorded] = []
    while page := log.facts(stream, facts[-1].version if facts else 0, up_to):
        facts += page
    return facts
