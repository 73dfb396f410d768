"""Kafka's log: from any place, in batches per source, alone or in a group."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from eventlog import kafka
from eventlog.kafka import KafkaLog, PlaceGone, open_log
from eventlog.log import Source
from eventlog.topics import partition_of
from schemas.cloudevents import ForeignRecord
from schemas.envelope import Recorded
from schemas.names import TOPICS
from tests.projecting import wait_until
from tests.published import PARTITIONS, lives_of_payments, make_topics, send

FACTS = lives_of_payments(40).facts
MANY = lives_of_payments(500).facts  # So many that what comes next is decoded ahead.


@contextmanager
def published(kafka_bootstrap: str, topic_prefix: str) -> Iterator[KafkaLog]:
    make_topics(kafka_bootstrap, topic_prefix)
    send(kafka_bootstrap, topic_prefix, FACTS)
    log = open_log(kafka_bootstrap, TOPICS.values(), prefix=topic_prefix, group_id="tests")
    yield log
    log.close()


@pytest.fixture
def log(kafka_bootstrap: str, topic_prefix: str) -> Iterator[KafkaLog]:
    with published(kafka_bootstrap, topic_prefix) as log:
        yield log


@pytest.fixture
def log_of_many(kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaLog]:
    """One that has MANY in hand at once, in however many batches they were sent."""
    much = 16 * 2**20
    limits = {"queued_max_messages_kbytes": much // 1024, "max_partition_fetch_bytes": much, "fetch_max_bytes": much}
    monkeypatch.setattr(kafka, "_CONSUMER", {**kafka._CONSUMER, **limits})
    with published(kafka_bootstrap, topic_prefix) as log:
        yield log


def read(log: KafkaLog, count: int, limit: int = 100) -> Mapping[Source, list[Recorded]]:
    """So many facts, by source. Batches begin where the last of their source ended, for offsets here have no gaps."""
    found: dict[Source, list[Recorded]] = {}
    deadline = time.monotonic() + 30
    while sum(map(len, found.values())) < count:
        assert time.monotonic() < deadline, "nothing more came"
        batches = log.read(limit, 1)
        assert sum(len(batch.facts) for batch in batches) <= limit
        for batch in batches:
            found.setdefault(batch.source, []).extend(batch.facts)
    return found


def every(facts: Mapping[Source, list[Recorded]]) -> list[Recorded]:
    return sorted((fact for of_source in facts.values() for fact in of_source), key=lambda fact: fact.position)


@pytest.mark.parametrize("limit", [1, 10, 10_000])
def test_every_fact_is_read_once_as_it_was_published(log: KafkaLog, limit: int) -> None:
    log.seek(dict.fromkeys(log.sources(), 0))

    found = read(log, len(FACTS), limit)

    assert every(found) == FACTS
    assert all(of_source == sorted(of_source, key=lambda fact: fact.position) for of_source in found.values())
    assert log.read(10, 0.1) == []


def test_sources_are_all_partitions_under_their_logical_names(log: KafkaLog) -> None:
    assert set(log.sources()) == {
        Source(topic, partition) for topic in TOPICS.values() for partition in range(PARTITIONS)
    }


def test_its_ends_are_where_reading_ends(log: KafkaLog) -> None:
    ends = log.ends()
    assert sum(ends.values()) == len(FACTS)

    log.seek(dict.fromkeys(log.sources(), 0))
    read(log, len(FACTS))

    assert log.ends_last_heard([source for source in ends if ends[source]]) == {
        s: end for s, end in ends.items() if end
    }


def test_only_the_sources_sought_are_read_and_from_their_places(log: KafkaLog) -> None:
    ends = log.ends()
    source = max(ends, key=lambda source: ends[source])

    log.seek({source: 5})
    found = read(log, ends[source] - 5)

    assert set(found) == {source}
    assert log.read(10, 0.2) == []


def test_a_batch_says_where_to_read_on(log: KafkaLog) -> None:
    source = max(log.ends().items(), key=lambda end: end[1])[0]
    log.seek({source: 0})
    [first] = log.read(5, 10)

    log.seek({source: first.next_offset})
    [second] = log.read(5, 10)

    assert first.facts[-1].position < second.facts[0].position
    assert second.next_offset == first.next_offset + len(second.facts)


def test_places_are_found_by_time(log: KafkaLog) -> None:
    assert set(log.offsets_since(datetime.now(UTC) - timedelta(hours=1)).values()) == {0}
    assert log.offsets_since(datetime.now(UTC) + timedelta(hours=1)) == log.ends()


def test_places_behind_a_position_are_found_and_repeats_lead_nobody_past_anything(
    log: KafkaLog, kafka_bootstrap: str, topic_prefix: str
) -> None:
    send(kafka_bootstrap, topic_prefix, FACTS[60:])  # Once more.

    for position in (0, 1, 30, 80, len(FACTS) - 1):
        places, ends = log.places_after(position), log.ends()
        log.seek(places)
        found = {fact.position for fact in every(read(log, sum(ends.values()) - sum(places.values())))}
        assert found >= {fact.position for fact in FACTS[position:]}
    assert log.places_after(len(FACTS)) == log.ends()


def test_a_place_that_is_not_there_is_an_error_and_not_a_gap(log: KafkaLog) -> None:
    log.seek({Source("payments", 0): 1_000_000})

    with pytest.raises(PlaceGone, match="holds no offset"):
        log.read(10, 20)


def test_a_record_that_somebody_else_wrote_is_an_error(log: KafkaLog, kafka_bootstrap: str, topic_prefix: str) -> None:
    source = Source("projects", 0)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    producer.produce(f"{topic_prefix}projects", value=b"hello", partition=0)
    producer.flush()
    log.seek({source: 0})

    with pytest.raises(ForeignRecord, match=r"\(partition 0, offset 0\)\. Only the publisher may write there"):
        log.read(10, 10)


def test_what_was_decoded_ahead_is_forgotten_where_reading_goes_on_elsewhere(
    log_of_many: KafkaLog, kafka_bootstrap: str, topic_prefix: str
) -> None:
    send(kafka_bootstrap, topic_prefix, MANY[len(FACTS) :])
    places = dict.fromkeys(log_of_many.sources(), 0)
    wait_until(lambda: reads_many(log_of_many, places))

    log_of_many.seek(places)

    found = every(read(log_of_many, len(MANY), 1_000))
    assert [fact.position for fact in found] == [fact.position for fact in MANY]
    assert log_of_many.read(1_000, 0.1) == []


def reads_many(log: KafkaLog, places: Mapping[Source, int]) -> bool:
    """Whether so many facts come at once that others are decoded ahead. A moment later they are there."""
    log.seek(places)
    time.sleep(0.2)
    return sum(len(batch.facts) for batch in log.read(1_000, 1)) >= 500


def test_what_is_wrong_with_a_record_decoded_ahead_is_told_after_what_came_before_it(
    log_of_many: KafkaLog, kafka_bootstrap: str, topic_prefix: str
) -> None:
    stream = "prj_1"
    source = Source("projects", partition_of(stream.encode(), PARTITIONS))
    send(kafka_bootstrap, topic_prefix, [replace(fact, topic=source.topic, stream=stream) for fact in MANY])
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    producer.produce(f"{topic_prefix}{source.topic}", value=b"hello", partition=source.partition)
    producer.flush()
    wait_until(lambda: reads_many(log_of_many, {source: 0}))

    log_of_many.seek({source: 0})
    seen = 0
    with pytest.raises(ForeignRecord):  # noqa: PT012 - sooner or later
        for _ in range(100):
            seen += sum(len(batch.facts) for batch in log_of_many.read(1_000, 10))

    assert len(MANY) - 1_000 <= seen <= len(MANY)


class Member:
    """One of a group, and what it was given."""

    def __init__(self, log: KafkaLog) -> None:
        self.log = log
        self.sources: set[Source] = set()
        log.join(self._assigned, self.sources.clear)

    def _assigned(self, sources: Collection[Source]) -> Mapping[Source, int]:
        self.sources.update(sources)
        return dict.fromkeys(sources, 0)


def wait_until_shared(all_sources: set[Source], *members: Member) -> None:
    """Let members read until each has its share."""

    def is_shared() -> bool:
        for member in members:
            member.log.read(10, 0.1)
        shares = [member.sources for member in members]
        return all(shares) and sum(map(len, shares)) == len(all_sources) and set().union(*shares) == all_sources

    wait_until(is_shared)


def test_members_of_a_group_share_the_sources_and_take_over_from_each_other(
    log: KafkaLog, kafka_bootstrap: str, topic_prefix: str
) -> None:
    everything = set(log.sources())
    with ExitStack() as ends:

        def join() -> Member:
            group = f"{topic_prefix}group"
            member = Member(open_log(kafka_bootstrap, TOPICS.values(), prefix=topic_prefix, group_id=group))
            ends.callback(member.log.close)
            return member

        one = join()
        wait_until_shared(everything, one)
        another = join()
        wait_until_shared(everything, one, another)
        one.log.leave()
        wait_until_shared(everything, another)


def test_what_goes_wrong_at_an_assignment_comes_out_of_reading_and_joining_again_helps(
    kafka_bootstrap: str, topic_prefix: str, log: KafkaLog
) -> None:
    log = open_log(kafka_bootstrap, TOPICS.values(), prefix=topic_prefix, group_id=f"{topic_prefix}group")
    with closing(log):
        log.join(_fail, lambda: None)
        with pytest.raises(ConnectionError):
            read(log, 1)

        log.leave()
        log.join(lambda sources: dict.fromkeys(sources, 0), lambda: None)

        assert every(read(log, len(FACTS))) == FACTS


def _fail(sources: Collection[Source]) -> Mapping[Source, int]:
    raise ConnectionError("Postgres is away")
