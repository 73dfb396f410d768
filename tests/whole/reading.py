"""Every fact in Kafka, read as a team would that starts from the beginning."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, TopicPartition

from schemas.names import TOPICS

Read = Callable[[], list[dict[str, str]]]


@contextmanager
def read_topics(bootstrap_servers: str, prefix: str = "tillstream.") -> Iterator[Read]:
    """Lends a function that reads all topics of facts to their ends: each record's headers, and its `partition`."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"test-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )

    def read() -> list[dict[str, str]]:
        topics = consumer.list_topics(timeout=30).topics
        ours = [topics[prefix + topic] for topic in TOPICS.values()]
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

    try:
        yield read
    finally:
        consumer.close()
