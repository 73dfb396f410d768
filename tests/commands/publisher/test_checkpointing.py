"""The publisher's signed checkpoints: they state what a reader of Kafka counts, whatever happened to the publisher."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from psycopg import Connection

from eventlog import checkpoints
from eventlog.checkpoints import Checkpoint, Tally
from eventlog.log import Source
from eventlog.topics import TopicSettings
from tests.commands.publisher.kafka_reading import read_all, without_repeats
from tests.commands.publisher.processes import PublisherProcess, wait_for
from tests.commands.publisher.writing import notify, rows, write

SIGNING = {"TILLSTREAM_SIGNING_KEY": b64encode(bytes(range(32))).decode(), "TILLSTREAM_CHECKPOINT_SECONDS": "0.1"}

Start = Callable[..., PublisherProcess]


@pytest.fixture
def latest(
    connection: Connection[Any], kafka_bootstrap: str, topic_settings: TopicSettings
) -> Callable[[], Checkpoint | None]:
    """The newest checkpoint in Kafka, its signature checked with what the store knows."""

    def read() -> Checkpoint | None:
        signed = checkpoints.all_published(kafka_bootstrap, topic_settings.prefix)
        keys = checkpoints.kept_keys(connection)
        return max((checkpoints.read(jws, keys) for jws in signed), key=lambda made: made.position, default=None)

    return read


def record(connection: Connection[Any], first: int, last: int) -> None:
    """Versions `first` to `last` of six streams."""
    for version in range(first, last + 1):
        write(connection, *((f"{kind}_{number}", version) for kind in ("pay", "wal") for number in (1, 2, 3)))
    notify(connection)


def counted(bootstrap_servers: str, settings: TopicSettings) -> Mapping[Source, Tally]:
    """What a reader of all partitions counts."""
    tallies: dict[Source, Tally] = {}
    for partition, fact in without_repeats(read_all(bootstrap_servers, settings)):
        source = Source(fact.topic, partition)
        tallies[source] = tallies.get(source, Tally()).after(fact.position, fact.hash)
    return tallies


def reaches(latest: Callable[[], Checkpoint | None], position: int) -> Callable[[], bool]:
    def holds() -> bool:
        made = latest()
        return made is not None and made.position == position

    return holds


def test_what_is_signed_is_what_a_reader_of_kafka_counts(
    start_publisher: Start,
    connection: Connection[Any],
    latest: Callable[[], Checkpoint | None],
    kafka_bootstrap: str,
    topic_settings: TopicSettings,
) -> None:
    record(connection, 1, 10)
    publisher = start_publisher(**SIGNING)
    wait_for(reaches(latest, 60), "all is signed")
    record(connection, 11, 20)
    wait_for(reaches(latest, 120), "all is signed again")

    made = latest()

    assert made is not None
    assert made.prefix == topic_settings.prefix
    assert made.tallies == counted(kafka_bootstrap, topic_settings)
    assert [(made.hash,)] == rows(connection, "SELECT hash FROM store.positions WHERE position = 120")
    wait_for(lambda: publisher.metric("tillstream_checkpoint_position") == 120, "the metric shows it")


def test_another_publisher_counts_on_where_a_killed_one_ended(
    start_publisher: Start,
    connection: Connection[Any],
    latest: Callable[[], Checkpoint | None],
    kafka_bootstrap: str,
    topic_settings: TopicSettings,
) -> None:
    for term in range(3):
        record(connection, 1 + 5 * term, 5 + 5 * term)
        publisher = start_publisher(**SIGNING)
        wait_for(reaches(latest, 30 + 30 * term), "all is signed")
        publisher.kill()

    made = latest()

    assert made is not None
    assert made.tallies == counted(kafka_bootstrap, topic_settings)


def test_a_log_that_was_never_signed_is_counted_from_its_beginning(
    start_publisher: Start,
    connection: Connection[Any],
    latest: Callable[[], Checkpoint | None],
    kafka_bootstrap: str,
    topic_settings: TopicSettings,
) -> None:
    record(connection, 1, 5)
    unsigned = start_publisher()
    published = partial(rows, connection, "SELECT FROM store.publisher WHERE published = 30")
    wait_for(published, "all is published")
    nothing = latest()
    unsigned.kill()

    start_publisher(**SIGNING)
    wait_for(reaches(latest, 30), "all is signed")
    made = latest()

    assert nothing is None
    assert unsigned.has_logged("checkpoints are off: TILLSTREAM_SIGNING_KEY is not set")
    assert made is not None
    assert made.tallies == counted(kafka_bootstrap, topic_settings)


def test_behind_an_accepted_older_store_what_only_kafka_has_is_counted_too(
    start_publisher: Start,
    connection: Connection[Any],
    latest: Callable[[], Checkpoint | None],
    kafka_bootstrap: str,
    topic_settings: TopicSettings,
) -> None:
    record(connection, 1, 5)
    first = start_publisher()
    wait_for(partial(rows, connection, "SELECT FROM store.publisher WHERE published = 30"), "all is published")
    first.kill()
    with connection.transaction():  # What a backup held that was taken at position 12.
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("DELETE FROM store.events WHERE version > 2")
        connection.execute("DELETE FROM store.positions WHERE position > 12")
        connection.execute("UPDATE store.publisher SET published = 12")
    record(connection, 3, 3)

    start_publisher("--accept-older-store", "restored", **SIGNING)
    wait_for(reaches(latest, 36), "all is signed")
    made = latest()

    assert made is not None
    assert made.tallies == counted(kafka_bootstrap, topic_settings)
    assert sum(tally.facts for tally in made.tallies.values()) == 36


def test_a_signing_key_that_is_none_is_told_at_once(start_publisher: Start) -> None:
    publisher = start_publisher(TILLSTREAM_SIGNING_KEY="secret")

    assert publisher.exit_status() == 1
    assert "TILLSTREAM_SIGNING_KEY: Value error, is not base64" in publisher.text()
