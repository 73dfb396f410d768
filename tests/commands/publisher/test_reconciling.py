"""Reconciling: what differs between store and Kafka is named soon after it is published; what rots later, on the next pass."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client import REGISTRY
from psycopg import Connection
from structlog.testing import capture_logs

from commands.publisher import reconciling
from commands.publisher.publications import Publication
from commands.publisher.reconciling import Reconciling
from eventlog import in_order, kafka
from eventlog.topics import TopicSettings
from runtime.process import Stop
from sandbox.addresses import free_port
from schemas.envelope import Recorded
from tests.commands.publisher.processes import PublisherProcess, wait_for
from tests.commands.publisher.writing import notify, write
from tests.published import PARTITIONS, lives_of_payments, make_topics, put_in_store, send

FACTS = lives_of_payments(40).facts
END = FACTS[-1].position
BAD = FACTS[56]  # Position 57.

Look = Callable[[int], Sequence[dict[str, Any]]]  # so many looks; what was logged


@pytest.fixture
def publish(kafka_bootstrap: str, topic_prefix: str) -> Callable[[Sequence[Recorded]], None]:
    make_topics(kafka_bootstrap, topic_prefix)
    return lambda facts: send(kafka_bootstrap, topic_prefix, facts)


@pytest.fixture
def look(database_url: str, connection: Connection[Any], kafka_bootstrap: str, topic_prefix: str) -> Look:
    """Reconcile a store that holds all facts, all of them acknowledged by Kafka."""
    put_in_store(database_url, FACTS)
    connection.execute("SET session_replication_role = replica")  # Facts are never changed otherwise.
    acknowledge(connection, END)
    made = Reconciling(connection, Publication(topic_prefix, PARTITIONS, 1, END), kafka_bootstrap, 1, Stop())

    def times(count: int) -> Sequence[dict[str, Any]]:
        with capture_logs() as said:
            for _ in range(count):
                made.look()
        return [dict(entry) for entry in said]

    return times


def acknowledge(connection: Connection[Any], position: int) -> None:
    connection.execute("UPDATE store.publisher SET published = %s", [position])


def metric(name: str) -> float:
    value = REGISTRY.get_sample_value(f"tillstream_{name}")
    assert value is not None
    return value


def differences(said: Sequence[dict[str, Any]]) -> Sequence[tuple[int, str]]:
    return [(entry["position"], entry["found"]) for entry in said if entry["event"] == "store and Kafka differ"]


def passes(said: Sequence[dict[str, Any]]) -> Sequence[int]:
    """The positions to which passes over everything came."""
    return [entry["positions"] for entry in said if entry["event"] == "store and Kafka hold the same"]


def test_a_pass_goes_over_everything_in_windows_and_what_is_published_meanwhile_is_followed(
    look: Look, publish: Any, connection: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "WINDOW", 50)
    publish(FACTS[:100])
    acknowledge(connection, 100)

    begun = look(1)
    where_it_was = metric("reconciliation_pass_position")
    publish(FACTS[100:])
    acknowledge(connection, END)
    ended = look(6)

    assert passes(begun) == []
    assert where_it_was == 50
    assert passes(ended) == [END]
    assert metric("reconciled_position") == metric("reconciliation_pass_position") == END
    assert metric("reconciliation_bad_position") == 0
    assert 0 <= metric("reconciliation_age_seconds") < 10
    assert differences([*begun, *ended]) == []


def test_what_kafka_has_not_acknowledged_yet_is_no_difference(
    look: Look, publish: Any, connection: Connection[Any]
) -> None:
    acknowledge(connection, 100)
    publish([*FACTS[:100], *FACTS[104:110]])

    said = look(2)

    assert differences(said) == []
    assert passes(said) == [100]
    assert metric("reconciled_position") == 100


def test_a_byte_that_is_changed_later_is_named_once_on_the_next_pass_and_forgotten_when_it_is_mended(
    look: Look, publish: Any, connection: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(FACTS)
    assert passes(look(2)) == [END]
    monkeypatch.setattr(reconciling, "_ANEW_SECONDS", 0)
    before = metric("reconciliation_differences_total")
    change = "UPDATE store.events SET payload = set_byte(payload, 9, get_byte(payload, 9) # 1) WHERE event_id = %s"
    connection.execute(change, [BAD.event_id])

    said = look(4)
    known = metric("reconciliation_bad_position")
    connection.execute(change, [BAD.event_id])
    mended = look(2)

    [(position, found)] = differences(said)
    assert position == known == BAD.position
    assert f"Position {BAD.position} (" in found
    assert "It is whole in Kafka." in found
    assert "python -m commands verify" in next(entry for entry in said if "found" in entry)["what_to_do"]
    assert metric("reconciliation_differences_total") == before + 1
    assert END in passes(mended)
    assert metric("reconciliation_bad_position") == 0


def test_a_fact_that_kafka_lost_is_named_by_its_position(look: Look, publish: Any) -> None:
    publish([fact for fact in FACTS if fact is not BAD])

    said = look(2)

    [(position, found)] = differences(said)
    assert position == BAD.position
    assert f"Position {BAD.position} is missing in Kafka" in found
    assert passes(said) == []


def test_a_foreign_record_is_named_and_the_facts_behind_it_are_compared(
    look: Look, publish: Any, kafka_bootstrap: str, topic_prefix: str
) -> None:
    publish(FACTS[:100])
    stranger = Producer({"bootstrap.servers": kafka_bootstrap})
    stranger.produce(f"{topic_prefix}credits", b"hello", key=b"wal_1", partition=2)
    stranger.flush()
    publish(FACTS[100:])

    said = look(2)

    [(_, found)] = differences(said)
    assert "stands a record that is no fact" in found
    assert metric("reconciliation_pass_position") == END
    assert passes(said) == [], "it came to its end, and did not find the same"


def test_where_kafka_is_away_it_says_so_and_goes_on_trying(
    look: Look, connection: Connection[Any], topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_ANSWER_WITHIN_SECONDS", 0.2)
    monkeypatch.setattr(in_order, "_ENDS_SECONDS", 0.2)
    away = Reconciling(connection, Publication(topic_prefix, PARTITIONS, 1, END), f"127.0.0.1:{free_port()}", 1, Stop())

    with capture_logs() as said:
        away.look()
        away.look()

    tried = [entry for entry in said if entry["event"] == "store and Kafka could not be compared; it is tried again"]
    assert len(tried) == 2


def test_it_ends_in_the_middle_of_a_window(
    publish: Any, database_url: str, connection: Connection[Any], kafka_bootstrap: str, topic_prefix: str
) -> None:
    publish(FACTS)
    put_in_store(database_url, FACTS)
    acknowledge(connection, END)
    over = Stop()
    over.set()

    with capture_logs() as said:
        Reconciling(connection, Publication(topic_prefix, PARTITIONS, 1, END), kafka_bootstrap, 1, over).look()

    assert said == []
    assert metric("reconciliation_pass_position") == 0


def test_a_publisher_reconciles_while_it_leads(
    start_publisher: Callable[..., PublisherProcess], connection: Connection[Any], topic_settings: TopicSettings
) -> None:
    for version in range(1, 11):
        write(connection, ("pay_1", version), ("wal_1", version))
    publisher = start_publisher(TILLSTREAM_RECONCILE_SECONDS="0.1")
    wait_for(lambda: publisher.metric("tillstream_reconciled_position") == 20, "what is published is compared")
    write(connection, ("pay_1", 11))
    notify(connection)
    wait_for(lambda: publisher.metric("tillstream_reconciled_position") == 21, "and what comes after it")

    assert publisher.metric("tillstream_reconciliation_bad_position") == 0
