"""Consume the payment service's events exactly once: your rows and your place in the log in one Postgres transaction.

One file to copy, one table. It needs psycopg and confluent-kafka[avro,schemaregistry], and nothing of the payment service.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

TABLE = """
CREATE TABLE IF NOT EXISTS consumer_positions (
    consumer    text   NOT NULL,
    topic       text   NOT NULL,
    partition   int    NOT NULL,
    position    bigint NOT NULL DEFAULT 0, -- the last ce_position whose effect is in this database
    next_offset bigint NOT NULL DEFAULT 0, -- where to read on; a hint, for the position decides
    PRIMARY KEY (consumer, topic, partition)
)
"""

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `data` is its Avro record; `subject` the payment, wallet, … that it is about, `version` its number there."""

    type: str
    id: str
    subject: str
    version: int
    project_id: str
    position: int
    time: str
    data: dict[str, Any]


Handle = Callable[[Event, psycopg.Connection[Any]], None]


class ExactlyOnce:
    """A consumer that calls `handle` once for every event, in order per subject, whatever dies or comes twice.

    `handle` writes through the connection it is given and nothing else: its writes and the new position are committed
    together, or neither. An event that raises is not passed over: the exception comes out of `run`, and the next run
    begins with that event. Start it as often as there are partitions; they are shared out among all of one name.
    """

    def __init__(
        self, name: str, topics: Sequence[str], *, database_url: str, bootstrap_servers: str, registry_url: str
    ) -> None:
        self._name = name
        self._topics = list(topics)
        self._database_url = database_url
        self._registry_url = registry_url
        self._settings = {
            "bootstrap.servers": bootstrap_servers,
            "group.id": name,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }

    def run(self, handle: Handle, *, until: Callable[[], bool] = lambda: False) -> None:
        """Consume until `until` says so, which is asked at least once a second."""
        with (
            SchemaRegistryClient({"url": self._registry_url}) as registry,
            psycopg.connect(self._database_url, autocommit=True) as connection,
            self._consumer(connection) as consumer,
        ):
            deserialize = AvroDeserializer(registry)
            while not until():
                if messages := consumer.consume(_AT_ONCE, 1.0):
                    self._handle(messages, deserialize, handle, connection)

    @contextmanager
    def _consumer(self, connection: psycopg.Connection[Any]) -> Iterator[Consumer]:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('consumer_positions'))")
            connection.execute(TABLE)
        consumer = Consumer(self._settings)

        def begin_where_we_are(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            with connection.transaction():
                for place in partitions:
                    place.offset = self._place(connection, place.topic, place.partition)[1]
            consumer.assign(partitions)

        consumer.subscribe(self._topics, on_assign=begin_where_we_are)
        try:
            yield consumer
        finally:
            consumer.close()

    def _handle(
        self,
        messages: Sequence[Message],
        deserialize: AvroDeserializer,
        handle: Handle,
        connection: psycopg.Connection[Any],
    ) -> None:
        """One transaction for them all. The row's lock lets one process at a time go on in a partition."""
        with connection.transaction():
            for (topic, partition), found in sorted(_by_partition(messages).items()):
                position, _ = self._place(connection, topic, partition)
                for message in found:
                    if (event_position := _position(message)) > position:
                        handle(_event(message, deserialize), connection)
                        position = event_position
                connection.execute(
                    "UPDATE consumer_positions SET position = %s, next_offset = greatest(next_offset, %s)"
                    " WHERE (consumer, topic, partition) = (%s, %s, %s)",
                    [position, (found[-1].offset() or 0) + 1, self._name, topic, partition],
                )

    def _place(self, connection: psycopg.Connection[Any], topic: str, partition: int) -> tuple[int, int]:
        """Position and next offset as they are committed, kept from others until the transaction ends."""
        key = [self._name, topic, partition]
        connection.execute(
            "INSERT INTO consumer_positions (consumer, topic, partition) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            key,
        )
        row = connection.execute(
            "SELECT position, next_offset FROM consumer_positions"
            " WHERE (consumer, topic, partition) = (%s, %s, %s) FOR UPDATE",
            key,
        ).fetchone()
        assert row is not None, "just inserted, or there before"
        return row[0], row[1]


def _event(message: Message, deserialize: AvroDeserializer) -> Event:
    headers, context = _headers(message), SerializationContext(message.topic() or "", MessageField.VALUE)
    return Event(
        type=headers["ce_type"],
        id=headers["ce_id"],
        subject=headers["ce_subject"],
        version=int(headers["ce_streamversion"]),
        project_id=headers["ce_projectid"],
        position=int(headers["ce_position"]),
        time=headers["ce_time"],
        data=cast(dict[str, Any], deserialize(message.value(), context)),
    )


def _by_partition(messages: Sequence[Message]) -> dict[tuple[str, int], list[Message]]:
    found: dict[tuple[str, int], list[Message]] = {}
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
        found.setdefault((message.topic() or "", message.partition() or 0), []).append(message)
    return found


def _position(message: Message) -> int:
    return int(_headers(message)["ce_position"])


def _headers(message: Message) -> dict[str, str]:
    headers = cast(list[tuple[str, bytes]], message.headers() or [])
    return {name: value.decode() for name, value in headers}
