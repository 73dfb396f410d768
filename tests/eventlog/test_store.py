"""The store's log: every numbered fact, in order, page by page."""

from collections.abc import Iterator

import pytest

from eventlog.log import Source
from eventlog.store import STORE, StoreLog
from eventlog.topics import partition_of
from runtime import postgres
from schemas.envelope import Recorded
from schemas.names import TOPICS
from tests.published import PARTITIONS, lives_of_payments, put_in_store

FACTS = lives_of_payments(40).facts
EACH = dict.fromkeys(TOPICS.values(), PARTITIONS)


@pytest.fixture
def log(database_url: str) -> Iterator[StoreLog]:
    put_in_store(database_url, FACTS)
    with postgres.connect(database_url, name="tests", autocommit=True) as connection:
        yield StoreLog(connection)


def read_all(log: StoreLog, limit: int) -> list[Recorded]:
    facts: list[Recorded] = []
    while batches := log.read(limit, 0):
        [batch] = batches
        assert batch.source == STORE
        assert len(batch.facts) <= limit
        assert batch.next_offset == batch.facts[-1].position
        facts += batch.facts
    return facts


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_every_fact_is_read_once_as_it_was_recorded(log: StoreLog, limit: int) -> None:
    log.seek({STORE: 0})

    assert read_all(log, limit) == FACTS


def test_reading_goes_on_from_any_position(log: StoreLog) -> None:
    log.seek({STORE: 50})

    assert read_all(log, 20) == FACTS[50:]


def test_its_end_is_the_last_position(log: StoreLog) -> None:
    assert log.ends() == {STORE: len(FACTS)}


def test_an_empty_store_ends_at_nought(database_url: str) -> None:
    with postgres.connect(database_url, name="tests", autocommit=True) as connection:
        log = StoreLog(connection)
        log.seek({STORE: 0})

        assert log.ends() == {STORE: 0}
        assert log.read(10, 0) == []
        assert log.complete_up_to(["payments"], {}, EACH) == 0


def source_of(fact: Recorded) -> Source:
    return Source(fact.topic, partition_of(fact.stream.encode(), PARTITIONS))


def test_a_reader_misses_nothing_up_to_the_first_fact_it_lacks(log: StoreLog) -> None:
    payments = [fact for fact in FACTS if fact.topic == "payments"]
    seen = {Source("payments", partition): len(FACTS) for partition in range(PARTITIONS)}
    assert log.complete_up_to(["payments"], seen, EACH) == len(FACTS)

    first_lacking = payments[30]
    source = source_of(first_lacking)
    seen[source] = first_lacking.position - 1

    assert log.complete_up_to(["payments"], seen, EACH) == first_lacking.position - 1


def test_other_topics_are_not_missed(log: StoreLog) -> None:
    seen = {Source("payments", partition): len(FACTS) for partition in range(PARTITIONS)}

    assert log.complete_up_to(["payments"], seen, EACH) == len(FACTS)
    assert log.complete_up_to(["payments", "credits"], seen, EACH) < len(FACTS)


def test_who_has_seen_nothing_misses_the_first(log: StoreLog) -> None:
    assert log.complete_up_to(["payments"], {}, EACH) == 0


def test_when_a_fact_was_numbered_is_known(log: StoreLog) -> None:
    assert log.numbered_at(1) <= log.numbered_at(len(FACTS))
    with pytest.raises(LookupError):
        log.numbered_at(len(FACTS) + 1)
