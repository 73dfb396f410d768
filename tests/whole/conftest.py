"""The whole product, running: every process as in the local platform, on data of the test run's own."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from sandbox.environment import Folders
from sandbox.platform import Platform
from tests.whole.shop import Shop, register


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with Platform(Folders(run=folder / "run", data=folder / "data"), given={}, say=lambda _: None) as running:
        yield running


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def shop(platform: Platform, http: httpx.Client) -> Shop:
    """A project of the test's own."""
    return register(platform, http)


@pytest.fixture
def published(platform: Platform) -> Iterator[Any]:
    """Reads every record in Kafka, as a team would that starts from the beginning."""
    consumer = Consumer(
        {
            "bootstrap.servers": platform.environment["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": f"test-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )

    def read() -> list[dict[str, str]]:
        topics = consumer.list_topics(timeout=30).topics
        ours = [topic for name, topic in topics.items() if name.startswith("tillstream.")]
        places = [TopicPartition(topic.topic, part, 0) for topic in ours for part in topic.partitions]
        consumer.assign(places)
        records, open_ends = [], len(places)
        while open_ends:
            message = consumer.poll(10)
            assert message is not None, "Kafka does not answer"
            if message.error():
                open_ends -= 1
                continue
            headers = dict(message.headers() or [])
            found = {name: value.decode() for name, value in headers.items() if isinstance(value, bytes)}
            records.append({**found, "partition": f"{message.topic()}/{message.partition()}"})
        return records

    yield read
    consumer.close()
