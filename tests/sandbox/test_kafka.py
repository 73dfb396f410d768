"""The embedded Kafka, started for real."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sandbox.addresses import free_port
from sandbox.kafka import Kafka, answers
from sandbox.supervisor import Supervisor


class Broker:
    """A broker on its folder, and the supervisor that it runs under."""

    def __init__(self, folder: Path, parts: Supervisor) -> None:
        self.folder = folder
        self.parts = parts
        self.start()

    def start(self) -> None:
        """Start it as another run of the platform would: on other ports."""
        self.kafka = Kafka(self.folder, free_port(), free_port())
        self.parts.start(self.kafka.part())

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.kafka.bootstrap_servers, "log_level": 0})

    def topic(self) -> str:
        topic = f"topic-{uuid.uuid4().hex}"
        admin = self.admin()  # Kept in a name: a future of an admin client that is gone fails.
        admin.create_topics([NewTopic(topic, 1)])[topic].result()
        return topic

    def produce(self, topic: str, value: bytes) -> None:
        producer = Producer(
            {"bootstrap.servers": self.kafka.bootstrap_servers, "enable.idempotence": True, "log_level": 0}
        )
        producer.produce(topic, value)
        assert producer.flush(20) == 0

    def consume(self, topic: str, group: str) -> bytes | None:
        consumer = Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        consumer.subscribe([topic])
        message = consumer.poll(20)
        consumer.close()
        assert message is not None
        assert message.error() is None
        return message.value()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Supervisor(tmp_path_factory.mktemp("logs")) as parts:
        yield Broker(tmp_path_factory.mktemp("kafka"), parts)


def test_a_record_comes_back_to_a_consumer_group(broker: Broker) -> None:
    topic = broker.topic()

    broker.produce(topic, b"value")

    assert broker.consume(topic, group="readers") == b"value"


def test_a_topic_that_nobody_made_does_not_come_into_being(broker: Broker) -> None:
    broker.admin().list_topics("never-made", timeout=10)

    assert "never-made" not in broker.admin().list_topics(timeout=10).topics


def test_records_last_over_a_stop_and_a_start_on_other_ports(broker: Broker) -> None:
    topic = broker.topic()
    broker.produce(topic, b"kept")
    before = broker.kafka.bootstrap_servers

    broker.parts.stop("kafka")
    assert not answers(before)
    broker.start()

    assert broker.kafka.bootstrap_servers != before
    assert broker.consume(topic, group="later") == b"kept"


def test_records_last_over_a_kill_and_a_start_on_the_same_port(broker: Broker) -> None:
    topic = broker.topic()
    broker.produce(topic, b"kept")

    broker.parts.kill("kafka")
    broker.parts.start_again("kafka")

    assert broker.consume(topic, group="later") == b"kept"


def test_the_cluster_stays_the_same_over_starts(broker: Broker) -> None:
    before = broker.admin().list_topics(timeout=10).cluster_id

    broker.parts.stop("kafka")
    broker.parts.start_again("kafka")

    assert broker.admin().list_topics(timeout=10).cluster_id == before


def test_a_new_group_does_not_wait_for_more_members(broker: Broker) -> None:
    topic = broker.topic()
    broker.produce(topic, b"value")
    broker.consume(topic, group="first")  # The first group of all waits for the topic of offsets.

    began = time.monotonic()
    broker.consume(topic, group="second")

    assert time.monotonic() - began < 2.5  # Kafka's default is to wait 3 s.


def test_an_address_where_nobody_is_does_not_answer() -> None:
    assert not answers(f"127.0.0.1:{free_port()}")
