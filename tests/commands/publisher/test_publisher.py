"""The publisher as a process: killed, frozen, doubled, cut off from Kafka; what Kafka holds at the end is the whole log."""

import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.cimpl import NewTopic
from psycopg import Connection

from commands.publisher import facts
from eventlog.topics import TopicSettings
from runtime import kafka
from sandbox.addresses import free_port
from sandbox.kafka import Kafka
from sandbox.supervisor import Supervisor
from tests.commands.publisher.kafka_reading import read_all, without_repeats
from tests.commands.publisher.processes import PublisherProcess, wait_for
from tests.commands.publisher.writing import notify, rows, write

Start = Callable[..., PublisherProcess]

STREAMS = [f"{kind}_{i}" for kind in ("pay", "wal") for i in range(10)]


def record(connection: Connection[Any], first: int, last: int) -> None:
    """Versions `first` to `last` of each of the twenty streams, forty facts a commit."""
    for version in range(first, last + 1, 2):
        with connection.transaction():
            for stream in STREAMS:
                write(connection, (stream, version), (stream, version + 1))
        notify(connection)


def lag_of(process: PublisherProcess) -> list[float]:
    """In positions, in seconds."""
    return [process.metric(f"tillstream_publish_lag_{unit}") for unit in ("positions", "seconds")]


def published(connection: Connection[Any]) -> int:
    return int(rows(connection, "SELECT published FROM store.publisher")[0][0])


def numbered(connection: Connection[Any]) -> int:
    return int(rows(connection, "SELECT count(*) FROM store.positions")[0][0])


def assert_kafka_holds(
    bootstrap_servers: str, settings: TopicSettings, connection: Connection[Any], count: int
) -> None:
    """Each of the store's facts exactly once by the readers' rule, in order per partition, with its hashes."""
    log = facts.read(connection, 0, 100_000, settings.partitions)
    assert [fact.position for fact in log] == list(range(1, count + 1))
    kept = {record.fact.position: record for record in without_repeats(read_all(bootstrap_servers, settings))}
    assert kept.keys() == set(range(1, count + 1))
    for fact in log:
        record = kept[fact.position]
        assert record.partition == fact.partition
        assert record.fact.event_id == fact.event_id
        assert (record.fact.previous_hash, record.fact.hash) == (fact.previous_hash, fact.hash)


@pytest.fixture
def own_kafka() -> Iterator[tuple[str, Supervisor]]:
    """A Kafka of the test's own, to be stopped and started again as `kafka`."""
    with tempfile.TemporaryDirectory() as folder, Supervisor(Path(folder) / "logs") as supervisor:
        server = Kafka(Path(folder) / "kafka", free_port(), free_port())
        supervisor.start(server.part())
        yield server.bootstrap_servers, supervisor


def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(
    start_publisher: Start,
    connect: Callable[[], Connection[Any]],
    connection: Connection[Any],
    kafka_bootstrap: str,
    topic_settings: TopicSettings,
) -> None:
    choice = random.Random(7)
    writer = connect()
    with ThreadPoolExecutor(1) as executor:
        for first in (1, 35, 69):
            record(connection, first, first + 11)
            process = start_publisher()
            wait_for(partial(process.has_logged, "leading"), "the publisher leads")
            writing = executor.submit(record, writer, first + 12, first + 33)
            time.sleep(choice.uniform(0, 0.3))
            process.kill()
            writing.result()
    start_publisher()
    wait_for(lambda: published(connection) == 2_040, "everything is published")

    assert_kafka_holds(kafka_bootstrap, topic_settings, connection, 2_040)


def test_while_kafka_is_away_numbering_goes_on_and_then_all_arrives_in_order(
    start_publisher: Start,
    connection: Connection[Any],
    own_kafka: tuple[str, Supervisor],
    topic_settings: TopicSettings,
) -> None:
    bootstrap_servers, supervisor = own_kafka
    process = start_publisher(bootstrap_servers=bootstrap_servers)
    record(connection, 1, 2)
    wait_for(lambda: published(connection) == 40, "the first facts are published")

    supervisor.kill("kafka")
    record(connection, 3, 4)
    time.sleep(3)  # Longer than any pause of a request or a connection; nothing in the publisher has another limit.
    record(connection, 5, 20)
    wait_for(lambda: numbered(connection) == 400, "everything is numbered")
    published_meanwhile = published(connection)
    wait_for(lambda: lag_of(process)[0] == 360, "the lag shows, in positions")
    lag_seconds = lag_of(process)[1]
    supervisor.start_again("kafka")
    wait_for(lambda: published(connection) == 400, "everything is published")

    assert published_meanwhile == 40
    assert lag_seconds > 3
    assert lag_of(process) == [0, 0]
    assert process.metric("tillstream_published_total") == 400
    assert_kafka_holds(bootstrap_servers, topic_settings, connection, 400)
    process.send(signal.SIGTERM)
    assert process.exit_status() == 0


def test_of_two_publishers_one_leads_and_the_other_takes_over(
    start_publisher: Start, connection: Connection[Any], kafka_bootstrap: str, topic_settings: TopicSettings
) -> None:
    leader = start_publisher()
    wait_for(lambda: leader.has_logged("leading"), "the first publisher leads")
    spare = start_publisher()
    record(connection, 1, 20)
    wait_for(lambda: published(connection) == 400, "the leader publishes")
    was_spare = not spare.has_logged("leading")
    leading = [each.metric("tillstream_publisher_leading") for each in (leader, spare)]

    leader.send(signal.SIGTERM)
    wait_for(lambda: spare.has_logged("leading"), "the spare leads")
    record(connection, 21, 40)
    wait_for(lambda: published(connection) == 800, "the spare publishes")

    assert was_spare
    assert leading == [1, 0]
    assert leader.exit_status() == 0
    assert_kafka_holds(kafka_bootstrap, topic_settings, connection, 800)


def test_a_frozen_leader_is_relieved_and_fenced_when_it_wakes_up(
    start_publisher: Start, connection: Connection[Any], kafka_bootstrap: str, topic_settings: TopicSettings
) -> None:
    leader = start_publisher()
    wait_for(lambda: leader.has_logged("leading"), "the first publisher leads")
    spare = start_publisher()
    record(connection, 1, 10)
    leader.send(signal.SIGSTOP)
    lose_patience(connection)
    wait_for(lambda: spare.has_logged("leading"), "the spare leads")
    record(connection, 11, 20)
    wait_for(lambda: published(connection) == 400, "the new leader publishes")

    leader.send(signal.SIGCONT)
    notify(connection)
    wait_for(lambda: leader.has_logged("not leading"), "the old leader notices")
    record(connection, 21, 30)
    wait_for(lambda: published(connection) == 600, "the new leader goes on")

    assert rows(connection, "SELECT epoch FROM store.publisher") == [(2,)]
    assert_kafka_holds(kafka_bootstrap, topic_settings, connection, 600)


def lose_patience(connection: Connection[Any]) -> None:
    """End the session of the leader's lock, as Postgres does by itself when the leader is silent for ten seconds."""
    rows(
        connection,
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND granted AND datname = current_database()",
    )


def test_where_postgres_drops_every_connection_it_leads_again(
    start_publisher: Start, connection: Connection[Any], kafka_bootstrap: str, topic_settings: TopicSettings
) -> None:
    process = start_publisher()
    record(connection, 1, 10)
    wait_for(lambda: published(connection) == 200, "the first facts are published")

    rows(
        connection,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    record(connection, 11, 20)
    wait_for(lambda: published(connection) == 400, "the publisher goes on")

    assert process.has_logged("not leading")
    assert_kafka_holds(kafka_bootstrap, topic_settings, connection, 400)


def test_a_restored_store_is_refused_until_somebody_accepts_it(
    start_publisher: Start,
    connection: Connection[Any],
    database_url: str,
    kafka_bootstrap: str,
    topic_settings: TopicSettings,
) -> None:
    process = start_publisher()
    record(connection, 1, 4)
    wait_for(lambda: published(connection) == 80, "everything is published")
    process.send(signal.SIGTERM)
    process.exit_status()
    restore_to(connection, 60)
    write(connection, ("pay_new", 1))

    refused = start_publisher()
    status = refused.exit_status()
    waiting = rows(connection, "SELECT stream FROM store.outbox")
    start_publisher("--accept-older-store", "restored from Sunday's backup")
    wait_for(lambda: published(connection) == 81, "the new fact is published")

    assert status == 3
    assert "this store ends at 60" in refused.text()
    assert waiting == [("pay_new",)]  # Nothing was numbered before it was accepted.
    log = {record.fact.position: record.fact for record in read_all(kafka_bootstrap, topic_settings)}
    assert sorted(log) == list(range(1, 82))
    assert log[81].stream == "pay_new"
    assert log[81].previous_hash == log[80].hash


def restore_to(connection: Connection[Any], position: int) -> None:
    """Make the store what a backup held that was taken at `position`."""
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")  # Facts are never deleted otherwise.
        connection.execute(
            "DELETE FROM store.events USING store.positions p WHERE p.position > %s"
            " AND events.stream = p.stream AND events.version = p.version",
            (position,),
        )
        connection.execute("DELETE FROM store.positions WHERE position > %s", (position,))
        connection.execute("UPDATE store.publisher SET published = %s", (position,))


def test_topics_with_other_settings_are_refused_with_a_sentence(
    start_publisher: Start, kafka_bootstrap: str, topic_settings: TopicSettings
) -> None:
    name = f"{topic_settings.prefix}payments"
    admin = kafka.admin(kafka_bootstrap)
    admin.create_topics([NewTopic(name, 4, 1, config={"retention.ms": "1000"})])[name].result()

    process = start_publisher()

    assert process.exit_status() == 1
    assert f"{name}: retention.ms is 1000 and must be -1." in process.text()


def test_an_incomplete_environment_is_told_at_once(database_url: str, tmp_path: Path) -> None:
    settings = TopicSettings(prefix="t.", partitions=0, replication=1, min_isr=1)
    process = PublisherProcess(database_url, "", settings, tmp_path)

    assert process.exit_status() == 1
    assert "KAFKA_BOOTSTRAP_SERVERS: " in process.text()
    assert "KAFKA_TOPIC_PARTITIONS: " in process.text()


def test_it_leaves_no_connection_behind_when_it_stops(start_publisher: Start, connection: Connection[Any]) -> None:
    process = start_publisher()
    wait_for(lambda: process.has_logged("leading"), "the publisher leads")

    process.send(signal.SIGTERM)

    assert process.exit_status(5) == 0
    others = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tillstream publisher%%'"
    wait_for(
        lambda: rows(connection, others + " AND datname = current_database()", ())[0][0] == 0, "no connection is left"
    )
