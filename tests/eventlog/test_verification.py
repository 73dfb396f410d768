"""Verifying store and Kafka: one flipped byte, one fact that is gone, one that is another is named by its position."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from confluent_kafka import Producer
from psycopg import Connection

from eventlog import in_order, numbered, verification
from eventlog.checkpoints import Checkpoint, Tally
from eventlog.in_order import InOrder
from eventlog.log import Source as Place
from eventlog.topics import full_name, partition_of
from eventlog.verification import Checks, Outcome
from runtime import postgres
from schemas import cloudevents
from schemas.chain import link
from schemas.envelope import Recorded, written
from schemas.names import TOPICS
from tests.published import PARTITIONS, lives_of_payments, make_topics, put_in_store, send

HISTORY = lives_of_payments(40)
FACTS = HISTORY.facts
LAST = FACTS[-1]
BAD = FACTS[56]  # Position 57.

Source = Literal["store", "kafka", "both"]
Look = Callable[..., Outcome]  # a source, and checkpoints that were signed


@pytest.fixture
def store(database_url: str) -> Iterator[Connection[Any]]:
    """The store, with all facts, all of them acknowledged by Kafka, and without what keeps facts from being changed."""
    put_in_store(database_url, FACTS)
    with postgres.connect(database_url, name="test", autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE store.publisher SET published = %s", (LAST.position,))
        numbered.prepare(connection)
        yield connection


@pytest.fixture
def publish(kafka_bootstrap: str, topic_prefix: str) -> Callable[[Sequence[Recorded]], None]:
    """Send facts to Kafka just as they are given."""
    make_topics(kafka_bootstrap, topic_prefix)
    return lambda facts: send(kafka_bootstrap, topic_prefix, facts)


@pytest.fixture
def look(store: Connection[Any], kafka_bootstrap: str, topic_prefix: str) -> Look:
    """Walk along one of them, or both."""

    def walk(source: Source, *signed: Checkpoint) -> Outcome:
        if source == "store":
            return verification.walk_store(store, untold)
        with closing(InOrder(kafka_bootstrap, TOPICS.values(), prefix=topic_prefix)) as events:
            if source == "kafka":
                return verification.walk_kafka(events, untold, Checks(signed))
            return verification.walk_both(store, events, untold, Checks(signed))

    return walk


def untold(*_: object) -> None:
    """Nobody wants to know how far it came."""


def flipped(value: bytes, at: int = -3) -> bytes:
    """With one byte changed."""
    changed = bytearray(value)
    changed[at] ^= 1
    return bytes(changed)


def instead_of(bad: Recorded, other: Recorded | None) -> Sequence[Recorded]:
    """All facts, one of them another, or left out."""
    return [fact for each in FACTS if (fact := other if each is bad else each) is not None]


def assert_named(outcome: Outcome, position: int | None, sentence: str) -> None:
    assert outcome.finding is not None, f"whole up to {outcome.whole_up_to}"
    assert sentence in outcome.finding.sentence
    assert outcome.finding.position == position
    if position is not None:
        assert outcome.whole_up_to == (position - 1, FACTS[position - 2].hash)


# What is whole.


@pytest.mark.parametrize("source", ["store", "kafka", "both"])
def test_what_is_whole_is_found_whole_to_its_last_hash(look: Look, publish: Any, source: Source) -> None:
    publish(FACTS)

    assert look(source) == ((LAST.position, LAST.hash), None)


def test_memory_stays_flat_however_unevenly_the_partitions_are_read(
    look: Look, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(FACTS)
    monkeypatch.setattr(in_order, "_MANY_WAIT", 6)
    monkeypatch.setattr(in_order, "_FEW_WAIT", 2)
    monkeypatch.setattr(in_order, "_AT_ONCE", 5)
    waiting: list[int] = []
    fill = InOrder._fill

    def watched(events: InOrder) -> None:
        fill(events)
        waiting.append(max(len(offsets) for offsets in events._waiting.values()))

    monkeypatch.setattr(InOrder, "_fill", watched)

    assert look("both") == ((LAST.position, LAST.hash), None)
    assert max(waiting) <= 6 + 5


def test_facts_that_stand_there_twice_are_no_fault(look: Look, publish: Any) -> None:
    publish([*FACTS[:90], *FACTS[60:]])

    assert look("kafka") == look("both") == ((LAST.position, LAST.hash), None)


def test_what_is_still_under_way_to_kafka_is_not_missing(look: Look, publish: Any, store: Connection[Any]) -> None:
    store.execute("UPDATE store.publisher SET published = 100")
    publish([*FACTS[:100], *FACTS[104:110]])

    assert look("both") == ((LAST.position, LAST.hash), None)


def test_a_fact_that_reaches_kafka_a_little_later_than_the_next_is_waited_for(look: Look, publish: Any) -> None:
    late = [fact for fact in FACTS if partition(fact) == partition(BAD)][-1]
    publish(instead_of(late, None))
    later = threading.Timer(1, publish, [[late]])
    later.start()

    outcome = look("kafka")
    later.join()

    assert outcome == ((LAST.position, LAST.hash), None)


def test_an_accepted_older_store_goes_on_behind_the_gap_it_left(
    look: Look, publish: Any, store: Connection[Any]
) -> None:
    publish(FACTS)
    store.execute("DELETE FROM store.positions WHERE position BETWEEN 61 AND 80")
    store.execute("INSERT INTO store.acceptances VALUES (now(), 'restored', 60, 80, %s)", (FACTS[79].hash,))

    assert look("store") == look("both") == ((LAST.position, LAST.hash), None)


def test_an_empty_log_is_whole(look: Look, publish: Any, store: Connection[Any]) -> None:
    store.execute("TRUNCATE store.positions")
    store.execute("UPDATE store.publisher SET published = 0")

    assert look("store") == look("kafka") == look("both") == verification.Outcome(verification.BEGINNING, None)


# What is wrong in the store.

_STORE_FAULTS = {
    "a byte of the value": (
        "UPDATE store.events SET payload = %(flipped)s WHERE event_id = %(event_id)s",
        "is not what",
    ),
    "the type": ("UPDATE store.events SET type = 'payment.expired' WHERE event_id = %(event_id)s", "is not what"),
    "the moment": ("UPDATE store.events SET recorded_at = now() WHERE event_id = %(event_id)s", "is not what"),
    "a byte of the hash": ("UPDATE store.positions SET hash = %(hash)s WHERE position = 57", "is not what"),
    "the event is gone": (
        "DELETE FROM store.events WHERE event_id = %(event_id)s",
        "Position 57 is missing in the store",
    ),
    "all is gone": ("DELETE FROM store.positions WHERE position = 57", "Position 57 is missing in the store"),
}


@pytest.mark.parametrize("source", ["store", "both"])
@pytest.mark.parametrize("fault", _STORE_FAULTS)
def test_a_fault_in_the_store_is_named_by_its_position(
    look: Look, publish: Any, store: Connection[Any], source: Source, fault: str
) -> None:
    publish(FACTS)
    statement, sentence = _STORE_FAULTS[fault]
    store.execute(
        statement.encode(), {"event_id": BAD.event_id, "flipped": flipped(BAD.value), "hash": flipped(BAD.hash)}
    )

    outcome = look(source)

    assert_named(outcome, 57, sentence)
    if source == "both":
        assert_named(outcome, 57, "It is whole in Kafka.")


@pytest.mark.parametrize("source", ["store", "both"])
def test_facts_that_are_gone_from_the_end_of_the_store_are_missed(
    look: Look, publish: Any, store: Connection[Any], source: Source
) -> None:
    publish(FACTS)
    store.execute("DELETE FROM store.positions WHERE position >= 57")

    assert_named(look(source), 57, "Position 57 is missing in the store: it ends at 56")


def test_a_store_that_is_older_than_kafka_is_named(look: Look, publish: Any, store: Connection[Any]) -> None:
    publish(FACTS)
    store.execute("DELETE FROM store.positions WHERE position >= 57")
    store.execute("UPDATE store.publisher SET published = 50")

    assert_named(look("both"), 57, "Position 57 is in Kafka, and the store ends at 56")


# What is wrong in Kafka.

_KAFKA_FAULTS: dict[str, tuple[Recorded | None, str]] = {
    "a byte of the value": (replace(BAD, value=flipped(BAD.value)), "is not what was recorded, in Kafka"),
    "a byte of the hash": (replace(BAD, hash=flipped(BAD.hash)), "is not what was recorded, in Kafka"),
    "the hash before it": (replace(BAD, previous_hash=flipped(BAD.hash)), "names"),
    "the project": (replace(BAD, project_id="prj_other"), "is not what was recorded, in Kafka"),
    "the position": (replace(BAD, position=90), "Position 57 is missing in Kafka"),
    "it is gone": (None, "Position 57 is missing in Kafka"),
}


@pytest.mark.parametrize("source", ["kafka", "both"])
@pytest.mark.parametrize("fault", _KAFKA_FAULTS)
def test_a_fault_in_kafka_is_named_by_its_position(look: Look, publish: Any, source: Source, fault: str) -> None:
    other, sentence = _KAFKA_FAULTS[fault]
    publish(instead_of(BAD, other))

    outcome = look(source)

    assert_named(outcome, 57, sentence)
    if source == "both":
        assert_named(outcome, 57, "It is whole in the store.")


def test_a_record_that_was_produced_once_more_with_a_flipped_byte_is_named(look: Look, publish: Any) -> None:
    publish([*FACTS, replace(BAD, value=flipped(BAD.value))])

    sources: tuple[Source, ...] = ("kafka", "both")
    for source in sources:
        finding = look(source).finding
        assert finding is not None
        assert finding.position == 57
        assert "stands in Kafka once more, and not as it was recorded" in finding.sentence


def test_a_record_that_was_forged_as_a_repeat_is_held_against_the_store(look: Look, publish: Any) -> None:
    forged = rehashed(replace(BAD, value=flipped(BAD.value)), BAD.previous_hash)
    publish([*FACTS, forged])

    finding = look("both").finding

    assert finding == (57, "Position 57 is another fact in Kafka than in the store.")


def checkpoint(facts: Sequence[Recorded]) -> Checkpoint:
    """What is signed once these facts were published."""
    tallies: dict[Place, Tally] = {}
    for fact in facts:
        place = Place(*partition(fact))
        tallies[place] = tallies.get(place, Tally()).after(fact.position, fact.hash)
    return Checkpoint("t.", facts[-1].position, facts[-1].hash, datetime.now(UTC), tallies)


def rewritten(facts: Sequence[Recorded], position: int) -> Sequence[Recorded]:
    """Another history from this position on, whole in itself."""
    others, hash = list(facts[: position - 1]), facts[position - 2].hash
    for fact in facts[position - 1 :]:
        others.append(rehashed(replace(fact, project_id="prj_other"), hash))
        hash = others[-1].hash
    return others


@pytest.mark.parametrize("source", ["kafka", "both"])
def test_kafka_is_what_was_signed_at_every_checkpoint(look: Look, publish: Any, source: Source) -> None:
    publish([*FACTS[:90], *FACTS[60:]])

    outcome = look(source, *(checkpoint(FACTS[:count]) for count in (LAST.position, 1, 57, 58)))

    assert outcome == ((LAST.position, LAST.hash), None)


def test_a_history_that_was_written_anew_is_not_the_one_that_was_signed(look: Look, publish: Any) -> None:
    publish(rewritten(FACTS, 57))

    assert look("kafka", checkpoint(FACTS[:56])).finding is None
    finding = look("kafka", checkpoint(FACTS[:60])).finding
    assert finding is not None
    assert finding.position == 60
    assert "has another hash than was signed" in finding.sentence


def test_a_partition_that_was_signed_with_other_facts_is_named(look: Look, publish: Any) -> None:
    publish(FACTS)
    signed = checkpoint(FACTS)
    place = Place(*partition(BAD))
    signed.tallies[place] = signed.tallies[place]._replace(facts=3)  # type: ignore[index]

    finding = look("kafka", signed).finding

    said = f"In {place.topic}, partition {place.partition}, Kafka holds other facts than the checkpoint that was signed"
    assert finding is not None
    assert said in finding.sentence


def test_facts_that_were_signed_and_are_gone_from_kafkas_end_are_missed(look: Look, publish: Any) -> None:
    publish(FACTS[:100])

    sentence = f"Kafka ends at position 100, and a checkpoint was signed at {LAST.position}: it lost facts."
    assert look("kafka", checkpoint(FACTS)).finding == (101, sentence)


def test_another_history_of_the_same_length_is_named_where_it_parts(look: Look, publish: Any) -> None:
    publish(rewritten(FACTS, 57))

    assert look("kafka").finding is None
    assert_named_in_page(look("both"), 57, "Position 57 is another fact in Kafka than in the store.")


def assert_named_in_page(outcome: Outcome, position: int, sentence: str) -> None:
    assert outcome.finding == (position, sentence)


def rehashed(fact: Recorded, previous_hash: bytes) -> Recorded:
    """A forgery that makes its own hash right."""
    hash = link(previous_hash, position=fact.position, written=written(fact), value=fact.value)
    return replace(fact, previous_hash=previous_hash, hash=hash)


@pytest.mark.parametrize("source", ["kafka", "both"])
def test_a_record_without_headers_is_named_by_where_it_stands(
    look: Look, publish: Any, kafka_bootstrap: str, topic_prefix: str, source: Source
) -> None:
    publish(FACTS)
    produce(kafka_bootstrap, topic_prefix, "credits", partition=2, key=b"wal_1", value=b"hello")
    offset = sum(fact.topic == "credits" and partition_of(fact.stream.encode(), PARTITIONS) == 2 for fact in FACTS)

    outcome = look(source)

    sentence = (
        f"In credits, partition 2, at offset {offset}, stands a record that is no fact: the header ce_specversion is"
    )
    assert_named(outcome, None, sentence)
    assert outcome.whole_up_to == (LAST.position, LAST.hash)


def test_windows_never_end_among_facts_that_only_kafka_has(
    store: Connection[Any], publish: Any, kafka_bootstrap: str, topic_prefix: str
) -> None:
    """A store that ended at 50 was accepted when Kafka ended at 70."""
    store.execute(
        "INSERT INTO store.acceptances (reason, store_position, kafka_position, kafka_hash)"
        " SELECT 'restored', 50, 70, hash FROM store.positions WHERE position = 70"
    )
    store.execute("DELETE FROM store.positions WHERE position BETWEEN 51 AND 70")
    publish(FACTS)
    ends = [
        verification.window(store, after, size, end) for after, size, end in ((0, 40, 90), (20, 40, 90), (0, 60, 65))
    ]
    mark = verification.BEGINNING
    places: dict[Place, int] = {}

    for up_to in (40, 71, LAST.position):
        with closing(InOrder(kafka_bootstrap, TOPICS.values(), prefix=topic_prefix)) as events:
            mark, finding = verification.walk_window(store, events, untold, mark, places, up_to)
            places = dict(events.places())
        assert finding is None
        assert mark == (up_to, FACTS[up_to - 1].hash)

    assert ends == [40, 71, 50]


def test_a_fact_in_anothers_partition_is_named(
    look: Look, publish: Any, kafka_bootstrap: str, topic_prefix: str
) -> None:
    publish(FACTS[:-1])
    topic, due = partition(LAST)
    headers = cloudevents.headers(
        written(LAST),
        position=LAST.position,
        previous_hash=LAST.previous_hash,
        hash=LAST.hash,
        value=LAST.value,
        service_url="http://127.0.0.1:8000",
    )
    other = (due + 1) % PARTITIONS
    record = {"key": LAST.stream.encode(), "value": LAST.value, "headers": headers}
    produce(kafka_bootstrap, topic_prefix, topic, partition=other, **record)

    finding = look("kafka").finding

    assert finding is not None
    assert finding.position == LAST.position
    assert f"stands in partition {other} of {topic} in Kafka, and belongs in {due}" in finding.sentence


def partition(fact: Recorded) -> tuple[str, int]:
    return fact.topic, partition_of(fact.stream.encode(), PARTITIONS)


def produce(bootstrap_servers: str, prefix: str, topic: str, **record: Any) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers})
    producer.produce(full_name(prefix, topic), **record)
    producer.flush()
