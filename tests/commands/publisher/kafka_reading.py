"""What Kafka holds, read as any other team reads it: partition by partition, dropping positions that are not higher."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from eventlog.topics import TopicSettings, full_names
from runtime import kafka
from schemas import cloudevents
from schemas.envelope import Recorded


class Record(NamedTuple):
    """A fact and where it lies."""

    partition: int
    fact: Recorded


def read_all(bootstrap_servers: str, settings: TopicSettings) -> Sequence[Record]:
    """Every record of every partition, repeats among them, in the order of each partition."""
    consumer = kafka.consumer(bootstrap_servers, group_id="test", enable_partition_eof=True, fetch_wait_max_ms=10)
    places = {(topic, number) for topic in full_names(settings.prefix) for number in range(settings.partitions)}
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in places])
    records = []
    while places:
        message = consumer.poll(10)
        assert message is not None, "Kafka does not answer"
        if error := message.error():
            assert error.code() == KafkaError._PARTITION_EOF, error
            places.discard((str(message.topic()), int(message.partition() or 0)))
            continue
        topic = str(message.topic()).removeprefix(settings.prefix)
        headers = cast("list[cloudevents.Header]", message.headers())
        fact = cloudevents.read(headers, topic=topic, key=message.key(), value=message.value())
        records.append(Record(int(message.partition() or 0), fact))
    consumer.close()
    return records


def without_repeats(records: Sequence[Record]) -> Sequence[Record]:
    """What is left of them by the one rule for exactly-once."""
    last: dict[tuple[str, int], int] = {}
    kept = []
    for record in records:
        place = (record.fact.topic, record.partition)
        if record.fact.position > last.get(place, 0):
            last[place] = record.fact.position
            kept.append(record)
    return kept
