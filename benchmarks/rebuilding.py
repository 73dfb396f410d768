"""A rebuild of every read model from Kafka, beside a bare consumer that decodes the same records."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple, cast

import fastavro
import psycopg
from confluent_kafka import Message, TopicPartition

from benchmarks import long_log
from benchmarks.replay_process import replay
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers, wait_until
from eventlog.topics import TopicSettings, full_names
from runtime import kafka
from schemas.codec import schema_id_of
from schemas.contracts import contracts

_FACTS = 60_000
_FRAME_BYTES = 5  # Before each Avro record: a zero byte, the schema's id in four bytes.


class Published(NamedTuple):
    """A log in Kafka, put there by the publisher."""

    topics: TopicSettings
    facts: int


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    with published(servers, int(_FACTS * share)) as log:
        yield Sides(ceiling=partial(_consume, servers, log), ours=partial(rebuild, servers, log))


@contextmanager
def published(servers: Servers, facts: int) -> Iterator[Published]:
    """The lives of payments, at least so many facts of them, sent by the publisher with its settings as they come."""
    with servers.topics() as topics:
        with servers.database() as database_url:
            count = long_log.record(database_url, facts)
            with servers.publisher(database_url, topics), psycopg.connect(database_url, autocommit=True) as connection:
                asked = "SELECT FROM store.publisher WHERE published >= %s"
                wait_until(lambda: connection.execute(asked, [count]).fetchone() is not None, "the log is published")
        yield Published(topics, count)


def rebuild(servers: Servers, published: Published) -> Figures:
    """A replay as people run it into an empty database, but for its start: `replay --all --source kafka`."""
    with servers.database() as database_url:
        watched = replay(servers, database_url, published.topics, "kafka")
    return {"rate": published.facts / watched.seconds}


def _consume(servers: Servers, published: Published) -> Figures:
    """Every record, taken in batches, with its key and headers, and its Avro decoded into a dictionary."""
    consumer = kafka.consumer(
        servers.bootstrap_servers,
        group_id=f"{published.topics.prefix}ceiling",
        enable_auto_commit=False,
        fetch_wait_max_ms=100,
        queued_max_messages_kbytes=4_096,
    )
    schemas = {id: contract.record.schema for id, contract in contracts().items()}
    places = [
        TopicPartition(topic, partition, 0)
        for topic in full_names(published.topics.prefix)
        for partition in range(published.topics.partitions)
    ]
    began, seen = time.perf_counter(), 0
    consumer.assign(places)
    while seen < published.facts:
        first = consumer.poll(1.0)
        messages = [first, *consumer.consume(5_000, 0)] if first else []
        for message in messages:
            _decoded(message, schemas)
        seen += len(messages)
    seconds = time.perf_counter() - began
    consumer.close()
    return {"rate": published.facts / seconds}


def _decoded(message: Message, schemas: Mapping[int, Any]) -> tuple[object, ...]:
    value = cast(bytes, message.value())
    buffer = BytesIO(value)
    buffer.seek(_FRAME_BYTES)
    record = fastavro.schemaless_reader(buffer, schemas[schema_id_of(value)], None)
    return message.key(), message.headers(), record


ROW = Row(
    name="rebuilding",
    ceiling="consume in batches, headers and Avro decoded",
    ours="a replay of all read models from Kafka",
    claims=(Claim(figure="rate", unit="facts/s", aim=0.45),),
    prepare=prepare,
)
