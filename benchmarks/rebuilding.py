"""A rebuild of every read model from Kafka, beside a bare consumer that decodes the same records."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import Any, cast

import fastavro
from confluent_kafka import Message, TopicPartition

from benchmarks.long_log import LongLog, long_log
from benchmarks.replay_process import replay
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers
from eventlog.topics import full_names
from runtime import kafka
from schemas.codec import schema_id_of
from schemas.contracts import contracts

_FACTS = 60_000
_FRAME_BYTES = 5  # Before each Avro record: a zero byte, the schema's id in four bytes.


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    with long_log(servers, int(_FACTS * share), compression="gzip") as log:
        yield Sides(ceiling=partial(_consume, servers, log), ours=partial(rebuild, servers, log))


def rebuild(servers: Servers, log: LongLog) -> Figures:
    """A replay from Kafka into an empty database, by a process of its own, but for its start: facts/s, and megabytes."""
    with servers.database() as database_url:
        watched = replay(servers, database_url, log.topics, "kafka")
    return {"rate": log.facts / watched.seconds, "memory": watched.memory_mb}


def _consume(servers: Servers, log: LongLog) -> Figures:
    """Every record, taken in batches, with its key and headers, and its Avro decoded into a dictionary."""
    consumer = kafka.consumer(
        servers.bootstrap_servers,
        group_id=f"{log.topics.prefix}ceiling",
        enable_auto_commit=False,
        fetch_wait_max_ms=100,
        queued_max_messages_kbytes=4_096,
    )
    schemas = {id: contract.record.schema for id, contract in contracts().items()}
    places = [
        TopicPartition(topic, partition, 0)
        for topic in full_names(log.topics.prefix)
        for partition in range(log.topics.partitions)
    ]
    began, seen = time.perf_counter(), 0
    consumer.assign(places)
    while seen < log.facts:
        first = consumer.poll(1.0)
        messages = [first, *consumer.consume(5_000, 0)] if first else []
        for message in messages:
            _decoded(message, schemas)
        seen += len(messages)
    seconds = time.perf_counter() - began
    consumer.close()
    return {"rate": log.facts / seconds}


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
