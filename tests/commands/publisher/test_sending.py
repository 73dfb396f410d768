"""Sending to a real Kafka: order, acknowledgement, and what happens when a record is refused."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType  # type: ignore[attr-defined]
from psycopg import Connection

from commands.publisher.numbering import number
from commands.publisher.sending import DeliveryFailed, Sender, producer
from commands.publisher.tails import Tail
from eventlog import topics
from eventlog.numbered import Numbered
from eventlog.topics import TopicSettings
from runtime import kafka
from tests.commands.publisher.kafka_reading import Record, read_all
from tests.commands.publisher.writing import write

SERVICE_URL = "http://127.0.0.1:8000"


@pytest.fixture
def numbered(connection: Connection[Any], own_epoch: int, topic_settings: TopicSettings) -> Sequence[Numbered]:
    """Sixty facts of six streams, at positions 1 to 60."""
    for version in range(1, 11):
        write(connection, *((f"{kind}_{i}", version) for kind in ("pay", "wal") for i in (1, 2, 3)))
    return number(connection, topic_settings.partitions, 100, own_epoch)


@pytest.fixture
def made_topics(kafka_bootstrap: str, topic_settings: TopicSettings) -> TopicSettings:
    topics.ensure(kafka.admin(kafka_bootstrap), topic_settings)
    return topic_settings


@pytest.fixture
def sender(kafka_bootstrap: str, made_topics: TopicSettings) -> Iterator[Sender]:
    opened = a_sender(kafka_bootstrap, made_topics)
    yield opened
    opened.close()


def a_sender(bootstrap_servers: str, settings: TopicSettings, tails: Sequence[Tail] = (), **config: Any) -> Sender:
    made = producer(bootstrap_servers, **config)
    return Sender(made, prefix=settings.prefix, service_url=SERVICE_URL, after=0, tails=tails)


def places(records: Sequence[Record]) -> set[tuple[str, int, int]]:
    return {(record.fact.topic, record.partition, record.fact.position) for record in records}


def test_every_fact_arrives_with_its_envelope_in_the_partition_it_was_numbered_for(
    sender: Sender, numbered: Sequence[Numbered], kafka_bootstrap: str, topic_settings: TopicSettings
) -> None:
    sender.hand_over(numbered)
    sender.flush(10)

    assert sender.is_idle
    assert sender.acknowledged == sender.handed == 60
    records = {record.fact.position: record for record in read_all(kafka_bootstrap, topic_settings)}
    assert len(records) == 60
    for fact in numbered:
        record = records[fact.position]
        assert record.partition == fact.partition
        assert (record.fact.event_id, record.fact.value) == (fact.event_id, fact.value)
        assert (record.fact.previous_hash, record.fact.hash) == (fact.previous_hash, fact.hash)


def test_nothing_is_acknowledged_before_kafka_has_answered(sender: Sender, numbered: Sequence[Numbered]) -> None:
    sender.hand_over(numbered)

    assert not sender.is_idle
    assert (sender.handed, sender.acknowledged) == (60, 0)


def test_what_kafka_has_already_is_not_sent_again(
    kafka_bootstrap: str, made_topics: TopicSettings, numbered: Sequence[Numbered]
) -> None:
    known = {(fact.topic, fact.partition): fact for fact in numbered[:30]}
    tails = [Tail(topic, n, fact.position, fact.event_id, fact.hash) for (topic, n), fact in known.items()]
    sender = a_sender(kafka_bootstrap, made_topics, tails)

    sender.hand_over(numbered)
    sender.flush(10)
    sender.close()

    assert sender.acknowledged == 60
    expected = {(fact.topic, fact.partition, fact.position) for fact in numbered[30:]}
    assert places(read_all(kafka_bootstrap, made_topics)) == expected


def test_where_the_queue_is_full_the_rest_waits_and_goes_later(
    kafka_bootstrap: str, made_topics: TopicSettings, numbered: Sequence[Numbered]
) -> None:
    sender = a_sender(kafka_bootstrap, made_topics, queue_buffering_max_messages=25)

    sender.hand_over(numbered)
    stopped_at, was_full = sender.handed, sender.is_full
    while sender.handed < 60:
        sender.settle(5)
        sender.hand_over(numbered[sender.handed :])
    sender.flush(10)
    sender.close()

    assert (stopped_at, was_full) == (25, True)
    assert sender.acknowledged == 60
    assert len(read_all(kafka_bootstrap, made_topics)) == 60


def test_a_record_that_kafka_refuses_ends_sending_and_nothing_behind_it_is_lost(
    kafka_bootstrap: str, made_topics: TopicSettings, numbered: Sequence[Numbered]
) -> None:
    sender = a_sender(kafka_bootstrap, made_topics)
    sender.hand_over(numbered[:12])
    sender.flush(10)
    limit_record_size(kafka_bootstrap, f"{made_topics.prefix}payments", 100)

    sender.hand_over(numbered[12:30])
    with pytest.raises(DeliveryFailed, match="Kafka refused a record, so nothing more is sent"):
        sender.flush(10)
    with pytest.raises(DeliveryFailed):
        sender.hand_over(numbered[30:])
    acknowledged = sender.acknowledged
    sender.close()

    assert acknowledged == 12
    payments = [each for each in read_all(kafka_bootstrap, made_topics) if each.fact.topic == "payments"]
    assert all(record.fact.position <= 12 for record in payments)


class Forgetful:
    """Kafka and its client, which forget the record before the last one and say that all is well."""

    def __init__(self) -> None:
        self._offset = 0
        self._answers: list[Callable[[], None]] = []

    def produce(self, topic: str, *_: Any, on_delivery: Any, headers: Any) -> None:
        self._offset += 1
        if on_delivery is not None:
            self._answers.append(partial(on_delivery, None, Message(topic=topic, partition=0, offset=self._offset)))

    def flush(self, _: float) -> int:
        while self._answers:
            self._answers.pop(0)()
        self._offset -= 1
        return 0


def test_a_gap_that_nobody_reports_is_seen_by_the_offsets(numbered: Sequence[Numbered]) -> None:
    sender = Sender(cast(Producer, Forgetful()), prefix="t.", service_url=SERVICE_URL, after=0, tails=())
    lane = [fact for fact in numbered if fact.stream == "pay_1"]

    sender.hand_over(lane[:3])
    sender.flush(1)
    sender.hand_over(lane[3:6])
    with pytest.raises(DeliveryFailed, match=r"t\.payments, partition 0, has 2 records where 3 were sent"):
        sender.flush(1)


def test_records_whose_run_was_cut_by_a_full_queue_count_once_the_rest_of_it_is_answered(
    kafka_bootstrap: str, made_topics: TopicSettings, numbered: Sequence[Numbered]
) -> None:
    sender = a_sender(kafka_bootstrap, made_topics, queue_buffering_max_messages=25)

    handed = sender.hand_over(numbered)
    sender.flush(10)
    cut_at, was_idle = sender.acknowledged, sender.is_idle
    while handed < len(numbered):
        handed += sender.hand_over(numbered[handed:])
        sender.flush(10)
    sender.close()

    assert cut_at < 25
    assert not was_idle
    assert sender.is_idle
    assert sender.acknowledged == 60


def limit_record_size(bootstrap_servers: str, topic: str, size: int) -> None:
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = kafka.admin(bootstrap_servers)
    admin.incremental_alter_configs([resource])[resource].result()
