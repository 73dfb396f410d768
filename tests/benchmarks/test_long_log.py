"""The long log: made by COPY, and yet as the service itself would have recorded and numbered it."""

from itertools import pairwise

import psycopg

from benchmarks import long_log
from eventlog.store import STORE, StoreLog
from runtime import postgres
from schemas import chain


def test_its_facts_are_numbered_without_a_gap_and_chained(database_url: str) -> None:
    count = long_log.record(database_url, 3_000)

    with postgres.connect(database_url, name="test", autocommit=True) as connection:
        log = StoreLog(connection)
        log.seek({STORE: 0})
        facts = [fact for batch in log.read(20_000, 0) for fact in batch.facts]
    assert count >= 3_000
    assert [fact.position for fact in facts] == list(range(1, count + 1))
    assert facts[0].previous_hash == chain.GENESIS
    assert all(later.previous_hash == fact.hash for fact, later in pairwise(facts))
    assert {fact.topic for fact in facts} == {"projects", "payments", "credits"}


def test_it_leaves_nothing_to_be_numbered(database_url: str) -> None:
    long_log.record(database_url, 500)

    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM store.outbox").fetchone() == (0,)
