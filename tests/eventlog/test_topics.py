"""Topics on a real Kafka: how they are made, what is refused, and where a stream's facts lie."""

from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from eventlog import topics
from eventlog.topics import TopicSettings, TopicsMissing, TopicsUnfit, partition_of
from runtime import kafka
from runtime.settings import read


@pytest.fixture
def settings(topic_prefix: str) -> TopicSettings:
    return TopicSettings(prefix=topic_prefix, partitions=3, replication=1, min_isr=1)


@pytest.fixture
def admin(kafka_bootstrap: str) -> AdminClient:
    return kafka.admin(kafka_bootstrap)


# Apache Kafka's own vectors of murmur2, as signed 32-bit numbers.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "murmur2"), JAVA.items())
def test_a_stream_lies_where_javas_default_partitioner_puts_it(key: bytes, murmur2: int) -> None:
    assert [partition_of(key, count) for count in (1, 7, 12)] == [(murmur2 & 0x7FFFFFFF) % n for n in (1, 7, 12)]


def test_a_stream_lies_where_the_partitioner_murmur2_random_puts_it(
    admin: AdminClient, kafka_bootstrap: str, settings: TopicSettings
) -> None:
    topics.ensure(admin, settings)
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "partitioner": "murmur2_random"})
    chosen: dict[bytes, int | None] = {}

    for key in [b"pay_%d" % n for n in range(100)]:
        producer.produce(
            f"{settings.prefix}payments",
            b"value",
            key,
            on_delivery=lambda error, message: chosen.update({bytes(message.key() or b""): message.partition()}),
        )
    producer.flush(10)

    assert len(chosen) == 100
    assert chosen == {key: partition_of(key, 3) for key in chosen}


def test_topics_are_made_once_and_then_found_fit(admin: AdminClient, settings: TopicSettings) -> None:
    topics.ensure(admin, settings)
    topics.ensure(admin, settings)

    topics.check(admin, settings)


def test_missing_topics_are_named_and_who_makes_them(admin: AdminClient, settings: TopicSettings) -> None:
    with pytest.raises(TopicsMissing, match=rf"{settings.prefix}payments, .*start `python -m commands publisher`"):
        topics.check(admin, settings, timeout_seconds=0.2)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"num_partitions": 2}, "the number of partitions is 2 and must be 3."),
        ({"config": {"retention.ms": "604800000"}}, "retention.ms is 604800000 and must be -1."),
        ({"config": {"retention.bytes": "1000000"}}, "retention.bytes is 1000000 and must be -1."),
        ({"config": {"cleanup.policy": "compact"}}, "cleanup.policy is compact and must be delete."),
        (
            {"config": {"message.timestamp.type": "CreateTime"}},
            "message.timestamp.type is CreateTime and must be LogAppendTime.",
        ),
        (
            {"config": {"unclean.leader.election.enable": "true"}},
            "unclean.leader.election.enable is true and must be false.",
        ),
    ],
)
def test_other_settings_are_refused_with_what_was_found_and_what_must_be(
    admin: AdminClient, settings: TopicSettings, made: dict[str, Any], sentence: str
) -> None:
    name = topics.full_name(settings.prefix, "payments")
    fit = {
        "retention.ms": "-1",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "1",
        **made.get("config", {}),
    }
    admin.create_topics([NewTopic(name, made.get("num_partitions", 3), 1, config=fit)])[name].result()

    with pytest.raises(TopicsUnfit) as refusal:
        topics.ensure(admin, settings)

    assert str(refusal.value).splitlines()[1:] == [f"  {name}: {sentence}"]


def test_fewer_replicas_than_promised_are_refused(admin: AdminClient, settings: TopicSettings) -> None:
    topics.ensure(admin, settings)
    promised = TopicSettings(prefix=settings.prefix, partitions=3, replication=3, min_isr=2)

    with pytest.raises(TopicsUnfit) as refusal:
        topics.check(admin, promised)

    assert "replication.factor is 1 and must be 3." in str(refusal.value)
    assert "min.insync.replicas is 1 and must be 2." in str(refusal.value)


def test_a_broker_that_goes_away_while_it_is_asked_is_told(
    settings: TopicSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "_TIMEOUT_SECONDS", 0.2)

    with pytest.raises(TopicsUnfit, match="Nobody knows how they are: Kafka says "):
        topics.check(kafka.admin("127.0.0.1:1"), settings)


def test_more_replicas_than_brokers_are_told_by_name(admin: AdminClient, topic_prefix: str) -> None:
    with pytest.raises(TopicsUnfit, match=rf"{topic_prefix}\w+ cannot be created"):
        topics.ensure(admin, TopicSettings(prefix=topic_prefix, partitions=3, replication=3, min_isr=2))


def test_outside_the_local_platform_three_replicas_are_the_default() -> None:
    assert read(TopicSettings, {}) == TopicSettings(prefix="tillstream.", partitions=12, replication=3, min_isr=2)
