"""From a command's answer to its row in the read model while nothing else goes on, beside two commits and a Kafka hop."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import uvloop
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from psycopg import Connection

from benchmarks import workload
from benchmarks.paced import Pace, brought
from benchmarks.percentiles import milliseconds
from benchmarks.row import Claim, Figures, Row, Sides
from benchmarks.servers import Servers, wait_until
from commands.ports import Decided
from commands.publisher import sending
from commands.store.postgres import PostgresStore
from domain.payment import PAYMENTS
from eventlog import topics
from eventlog.topics import full_name
from runtime import kafka, postgres

_SAMPLES = 150
_LOOK_AGAIN_SECONDS = 1.0
_PAUSE_SECONDS = (0.005, 0.015)  # Between two samples, by chance: idle, and in step with nobody's timer.
_COMMANDS_PER_SECOND = 500.0
_WARM_SECONDS = 1.5


# Whoever waits for a row is told: to ask for it all the time would take a good part of the machine.
_TOLD = "shown"
_TELL = f"""
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NOTIFY {_TOLD}; RETURN NULL; END';
    CREATE TRIGGER tell AFTER INSERT ON payments_1.payments EXECUTE FUNCTION tell();
    LISTEN {_TOLD};
"""


class _Running(NamedTuple):
    """A database with publisher and projector at work, and a loop to record in."""

    database_url: str
    connection: Connection[Any]
    runner: asyncio.Runner

    def measure(self, samples: int) -> Figures:
        return milliseconds(self.runner.run(_ours(self.database_url, self.connection, samples)))


@contextmanager
def _running(servers: Servers) -> Iterator[_Running]:
    with (
        servers.database() as database_url,
        servers.topics() as settings,
        servers.publisher(database_url, settings),
        servers.projector(database_url, settings),
        psycopg.connect(database_url, autocommit=True) as connection,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        connection.execute(_TELL)
        yield _Running(database_url, connection, runner)


@contextmanager
def prepare(servers: Servers, share: float) -> Iterator[Sides]:
    samples = max(10, int(_SAMPLES * share))
    with _running(servers) as service, _floor(servers, service.connection) as floor:
        yield Sides(
            ceiling=lambda: milliseconds([floor.sample() for _ in range(samples)]),
            ours=lambda: service.measure(samples),
        )


@contextmanager
def prepare_busy(servers: Servers, share: float) -> Iterator[Sides]:
    samples = max(10, int(_SAMPLES * share))
    with _running(servers) as service:
        workload.record_project(service.connection)
        with servers.api(service.database_url) as port:
            pace = Pace(port, f"Bearer {workload.SECRET_KEY}", [], 0.0, _COMMANDS_PER_SECOND)

            def busy() -> Figures:
                with brought(pace):
                    time.sleep(_WARM_SECONDS)
                    return service.measure(samples)

            yield Sides(ceiling=lambda: service.measure(samples), ours=busy)


class Floor:
    """A row committed, a record sent and received, another row committed: the least that numbering and showing are."""

    def __init__(self, connection: Connection[Any], producer: Producer, consumer: Consumer, topic: str) -> None:
        self._connection = connection
        self._producer = producer
        self._consumer = consumer
        self._topic = topic

    def sample(self) -> float:
        """How many seconds it took, after a pause."""
        time.sleep(random.uniform(*_PAUSE_SECONDS))
        began = time.perf_counter()
        self._commit()
        self._producer.produce(self._topic, bytes(272), partition=0)
        while self._consumer.poll(1.0) is None:
            pass
        self._commit()
        seconds = time.perf_counter() - began
        self._producer.flush()
        return seconds

    def _commit(self) -> None:
        self._connection.execute("INSERT INTO floor (value) VALUES (%b)", [bytes(272)], prepare=True)


@contextmanager
def _floor(servers: Servers, connection: Connection[Any]) -> Iterator[Floor]:
    """Clients with the service's settings, on a topic made as the service makes them."""
    with servers.topics() as settings:
        topics.ensure(kafka.admin(servers.bootstrap_servers), settings)
        topic = full_name(settings.prefix, "payments")
        connection.execute("CREATE TABLE floor (value bytea)")
        producer = sending.producer(servers.bootstrap_servers, linger_ms=0)
        consumer = kafka.consumer(
            servers.bootstrap_servers, group_id=topic, enable_auto_commit=False, fetch_wait_max_ms=100
        )
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        yield Floor(connection, producer, consumer, topic)
        consumer.close()
        producer.close()


async def _ours(database_url: str, connection: Connection[Any], samples: int) -> Sequence[float]:
    """Payments begun one after the other through the store; seconds from each answer to the row."""
    pool = postgres.pool(database_url, name="store", size=10)
    await pool.open()
    store = PostgresStore(pool)
    await _sample(store, connection)  # Opens connections, prepares statements.
    seconds = [await _sample(store, connection) for _ in range(samples)]
    await store.close()
    await pool.close()
    return seconds


async def _sample(store: PostgresStore, connection: Connection[Any]) -> float:
    await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
    command_id, now = uuid4(), datetime.now(UTC)
    payment = PAYMENTS.at(f"pay_{command_id.hex}")
    facts = payment.facts(workload.initiated(payment.id, "u1", now))
    await store.record(workload.context(command_id, now), [payment], lambda _: Decided([facts], {}))
    began = time.perf_counter()
    return await asyncio.to_thread(_seen_at, connection, payment.id) - began


def _seen_at(connection: Connection[Any], payment_id: str) -> float:
    asked = "SELECT FROM payments_1.payments WHERE payment_id = %b"

    def is_shown() -> bool:
        return connection.execute(asked, [payment_id], prepare=True).fetchone() is not None

    def told() -> None:
        for _ in connection.notifies(timeout=_LOOK_AGAIN_SECONDS, stop_after=1):
            pass

    wait_until(is_shown, "the payment is shown", told)
    return time.perf_counter()


IDLE = Row(
    name="visibility",
    ceiling="two commits and one Kafka hop, in one thread",
    ours="command answered → its row visible, nothing else going on",
    claims=(
        Claim(figure="p50", unit="ms", aim=2.0, better="lower"),
        Claim(figure="p99", unit="ms", aim=5.0, better="lower"),
    ),
    prepare=prepare,
)
BUSY = Row(
    name="busy",
    ceiling="command answered → its row visible, nothing else going on",
    ours=f"the same while {_COMMANDS_PER_SECOND:g} other commands a second come over HTTP",
    claims=(
        Claim(figure="p50", unit="ms", aim=None, better="lower"),
        Claim(figure="p99", unit="ms", aim=2.0, better="lower"),
    ),
    prepare=prepare_busy,
)
