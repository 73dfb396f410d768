"""The publisher draining a backlog, beside a bare producer that sends the same records."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import psycopg
from confluent_kafka import Producer

from benchmarks import workload
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import PARTITIONS, Servers, wait_until
from commands.publisher import numbering, sending
from commands.publisher.halves import CHANNEL
from eventlog import topics
from eventlog.numbered import Numbered, prepare
from eventlog.topics import full_name
from runtime import kafka
from schemas import cloudevents

_PAYMENTS = 9_000

# The backlog lies ready beside the outbox, so that it can be put there in one short commit.
_SET_ASIDE = "CREATE TABLE backlog AS SELECT command_id, stream, version FROM store.outbox ORDER BY ordinal"
_BRING_BACK = f"""
    INSERT INTO store.outbox (command_id, stream, version) SELECT command_id, stream, version FROM backlog;
    NOTIFY {CHANNEL};
"""


class Produced(NamedTuple):
    """A record as a producer takes it, but for the prefix of its topic."""

    topic: str
    value: bytes
    key: str
    partition: int
    headers: Any


@contextmanager
def _prepare(servers: Servers, share: float, compression: str) -> Iterator[Sides]:
    with servers.database() as backlog:
        count = _record_backlog(backlog, int(_PAYMENTS * share))
        with servers.database(backlog) as numbered:
            records = _records(numbered)
        yield Sides(
            ceiling=partial(_produce, servers, records),
            ours=partial(_drain, servers, backlog, count, compression),
        )


def _record_backlog(database_url: str, payments: int) -> int:
    with psycopg.connect(database_url, autocommit=True) as connection:
        count = workload.record_payments(connection, payments)
        connection.execute(_SET_ASIDE)
        connection.execute("TRUNCATE store.outbox")
        connection.execute("VACUUM (ANALYZE)")
    return count


def _records(database_url: str) -> Sequence[Produced]:
    """What the publisher will send, made beforehand: every fact with its sixteen headers."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_BRING_BACK)
        prepare(connection)
        records: list[Produced] = []
        while facts := numbering.number(connection, PARTITIONS, 2_000):
            records += map(_record, facts)
    return records


def _record(fact: Numbered) -> Produced:
    headers = cloudevents.headers(
        fact.written,
        position=fact.position,
        previous_hash=fact.previous_hash,
        hash=fact.hash,
        value=fact.value,
        service_url="http://127.0.0.1:8000",
    )
    return Produced(fact.topic, fact.value, fact.stream, fact.partition, headers)


def _produce(servers: Servers, records: Sequence[Produced]) -> Figures:
    """Records that are ready in memory, with the publisher's own settings but uncompressed, and a call-back for each."""
    with servers.topics() as settings:
        topics.ensure(kafka.admin(servers.bootstrap_servers), settings)
        producer = sending.producer(
            servers.bootstrap_servers, compression="none", queue_buffering_max_messages=len(records) + 1
        )
        _warm_up(producer, full_name(settings.prefix, "projects"))
        names = {topic: full_name(settings.prefix, topic) for topic in {record.topic for record in records}}
        acknowledged: list[object] = []
        began = time.perf_counter()
        for topic, value, key, partition, headers in records:
            producer.produce(
                names[topic],
                value,
                key,
                partition,
                on_delivery=lambda error, _: acknowledged.append(error),
                headers=headers,
            )
            producer.poll(0)
        producer.flush()
        seconds = time.perf_counter() - began
        producer.close()
    assert acknowledged == [None] * len(records), "Kafka has every record"
    return {"rate": len(records) / seconds}


def _warm_up(producer: Producer, topic: str) -> None:
    """Let it get its producer id: on a fresh broker that takes a second."""
    producer.produce(topic, b"first")
    producer.flush()


def _drain(servers: Servers, backlog: str, count: int, compression: str) -> Figures:
    """From the commit of the whole backlog to the checkpoint behind it, by the clock of Postgres."""
    with (
        servers.database(backlog) as database_url,
        servers.topics() as settings,
        servers.publisher(database_url, settings, compression),
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        began = _value(connection, "SELECT clock_timestamp()")
        connection.execute(_BRING_BACK)
        published = partial(_value, connection, "SELECT published FROM store.publisher")
        wait_until(lambda: published() >= count, "the publisher has sent the backlog")
        ended = _value(connection, "SELECT published_at FROM store.publisher")
    return {"rate": count / (ended - began).total_seconds()}


def _value(connection: "psycopg.Connection[Any]", query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None, "asked for a value"
    return row[0]


_AIM = Claim(figure="rate", unit="facts/s", aim=0.45)
_CEILING = "idempotent produce of the same records, headers ready-made"

AS_IT_COMES = Row(
    name="publishing",
    ceiling=_CEILING,
    ours="the publisher draining a backlog: numbered, chained, compressed (gzip), sent",
    claims=(_AIM,),
    prepare=partial(_prepare, compression="gzip"),
)
UNCOMPRESSED = Row(
    name="uncompressed",
    ceiling=_CEILING,
    ours="the same publisher with KAFKA_COMPRESSION=none",
    claims=(_AIM,),
    prepare=partial(_prepare, compression="none"),
)
