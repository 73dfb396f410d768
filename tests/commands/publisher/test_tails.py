"""Kafka held against the store: what fits, what is refused, and how an older store goes on."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from psycopg import Connection

from commands.publisher import epoch, facts, tails
from commands.publisher.numbering import number
from commands.publisher.publications import Publication
from commands.publisher.sending import Sender, producer
from commands.publisher.tails import AnotherHistory, StoreOlderThanKafka, Tail
from eventlog import topics
from eventlog.numbered import Numbered
from eventlog.topics import TopicSettings
from runtime import kafka
from schemas.chain import link
from schemas.cloudevents import ForeignRecord
from tests.commands.publisher.writing import rows, write


@pytest.fixture
def sender(kafka_bootstrap: str, topic_settings: TopicSettings) -> Iterator[Sender]:
    topics.ensure(kafka.admin(kafka_bootstrap), topic_settings)
    opened = Sender(
        producer(kafka_bootstrap), prefix=topic_settings.prefix, service_url="http://127.0.0.1:8000", after=0, tails=()
    )
    yield opened
    opened.close()


@pytest.fixture
def numbered(connection: Connection[Any], own_epoch: int, topic_settings: TopicSettings) -> Sequence[Numbered]:
    """Twelve facts of four streams, at positions 1 to 12."""
    for version in (1, 2, 3):
        write(connection, *((stream, version) for stream in ("pay_1", "pay_2", "wal_1", "wal_2")))
    return number(connection, topic_settings.partitions, 100, own_epoch)


def last_of_each_partition(log: Iterable[Numbered]) -> set[Tail]:
    last = {(fact.topic, fact.partition): fact for fact in log}
    return {tail(fact) for fact in last.values()}


def tail(fact: Numbered) -> Tail:
    return Tail(fact.topic, fact.partition, fact.position, fact.event_id, fact.hash)


def published(up_to: int) -> Publication:
    return Publication("t.", 4, 1, up_to)


def beyond(log: Sequence[Numbered], count: int) -> Tail:
    """A record as Kafka holds it that was published `count` positions after the end of this store."""
    return Tail("payments", 0, log[-1].position + count, uuid4(), bytes([count]) * 32)


def test_the_last_record_of_each_partition_is_read_back(
    sender: Sender, numbered: Sequence[Numbered], kafka_bootstrap: str, topic_settings: TopicSettings
) -> None:
    sender.hand_over(numbered)
    sender.flush(10)

    assert set(tails.read(kafka_bootstrap, topic_settings)) == last_of_each_partition(numbered)


def test_empty_topics_have_no_tails(sender: Sender, kafka_bootstrap: str, topic_settings: TopicSettings) -> None:
    assert tails.read(kafka_bootstrap, topic_settings) == []


def test_a_record_of_somebody_else_is_named(
    sender: Sender, kafka_bootstrap: str, topic_settings: TopicSettings
) -> None:
    stranger = kafka.producer(kafka_bootstrap)
    stranger.produce(f"{topic_settings.prefix}payments", b"hello", partition=0)
    stranger.flush(10)

    with pytest.raises(ForeignRecord, match="'payments' is not a fact of the payment service"):
        tails.read(kafka_bootstrap, topic_settings)


def test_a_store_that_has_what_kafka_has_fits(connection: Connection[Any], numbered: Sequence[Numbered]) -> None:
    tails.compare(connection, last_of_each_partition(numbered[:7]))


def test_a_store_that_ends_before_kafka_is_refused(connection: Connection[Any], numbered: Sequence[Numbered]) -> None:
    with pytest.raises(StoreOlderThanKafka, match=r"Kafka holds position 15 .* this store ends at 12"):
        tails.compare(connection, [*last_of_each_partition(numbered), beyond(numbered, 3)])


@pytest.mark.parametrize("changed", [{"event_id": uuid4()}, {"hash": b"x" * 32}], ids=["event id", "hash"])
def test_another_fact_at_the_same_position_is_refused(
    connection: Connection[Any], numbered: Sequence[Numbered], changed: dict[str, Any]
) -> None:
    with pytest.raises(AnotherHistory, match="Position 12 is the event"):
        tails.compare(connection, [tail(numbered[-1])._replace(**changed)])


def test_an_accepted_older_store_goes_on_behind_kafka_and_stays_accepted(
    connection: Connection[Any], own_epoch: int, numbered: Sequence[Numbered]
) -> None:
    found = [*last_of_each_partition(numbered), beyond(numbered, 2), beyond(numbered, 3)]

    tails.accept(connection, own_epoch, found, "restored from Sunday's backup")
    write(connection, ("pay_1", 4))
    (next_fact,) = number(connection, 4, 100, own_epoch)

    assert next_fact.position == 16
    assert next_fact.previous_hash == bytes([3]) * 32
    assert next_fact.hash == link(bytes([3]) * 32, position=16, written=next_fact.written, value=next_fact.value)
    tails.compare(connection, [*found, tail(next_fact)])
    assert [fact.position for fact in facts.read(connection, 0, 100, 4)] == list(range(1, 13))
    assert facts.read(connection, 12, 100, 4) == [next_fact]
    assert rows(connection, "SELECT reason, store_position, kafka_position FROM store.acceptances") == [
        ("restored from Sunday's backup", 12, 15)
    ]


def test_only_the_publisher_of_the_newest_epoch_can_accept(
    connection: Connection[Any], own_epoch: int, numbered: Sequence[Numbered]
) -> None:
    epoch.take(connection)

    with pytest.raises(epoch.Fenced):
        tails.accept(connection, own_epoch, [beyond(numbered, 1)], "never")


def test_sending_begins_at_the_checkpoint_where_kafka_has_everything(
    connection: Connection[Any], numbered: Sequence[Numbered]
) -> None:
    assert tails.first_missing(connection, published(9), last_of_each_partition(numbered[:9])) == 9
    assert tails.first_missing(connection, published(9), last_of_each_partition(numbered)) == 9


def test_sending_begins_earlier_where_kafka_lost_what_it_had_acknowledged(
    connection: Connection[Any], numbered: Sequence[Numbered]
) -> None:
    whole = last_of_each_partition(numbered)
    lost = max(whole, key=lambda each: each.position)
    before = [fact for fact in numbered if (fact.topic, fact.partition) == (lost.topic, lost.partition)][-2]

    assert tails.first_missing(connection, published(12), [*(whole - {lost}), tail(before)]) == before.position
    assert tails.first_missing(connection, published(12), []) == 0
