"""Kafka's side at the start: the last record of each partition, held against the store before anything is sent.

A store that was restored from an older backup, or lost its last commits in a fail-over, must not number anew what Kafka
already has under those positions: readers keep the last position that they saw, and would drop the new facts unseen.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from psycopg import Connection

from commands.publisher import epoch as epochs
from commands.publisher.publications import Publication
from eventlog.log import Source
from eventlog.topics import TopicSettings, full_name, partition_of
from runtime import kafka
from schemas.cloudevents import ForeignRecord
from schemas.names import TOPICS

LOOK_BACK = 10_000  # How many of the last published positions must be in Kafka. Partitions lose records from their end.

_LAST = -2001  # librdkafka's OFFSET_TAIL(1): one before the end.


class Tail(NamedTuple):
    """The last record of one partition. `topic` is the logical name."""

    topic: str
    partition: int
    position: int
    event_id: UUID
    hash: bytes


class StoreOlderThanKafka(Exception):
    """Kafka holds facts that this store does not: it was restored, or lost commits in a fail-over."""

    exit_status = 3

    def __init__(self, store_position: int, tail: Tail) -> None:
        super().__init__(
            f"Kafka holds position {tail.position} ({tail.topic}, partition {tail.partition}), but this store ends at"
            f" {store_position}: it was restored from an older state. Restore a newer one. Or, to go on and leave positions"
            f" {store_position + 1} to {tail.position} to Kafka alone:"
            " `python -m commands publisher --accept-older-store REASON`."
        )


class AnotherHistory(Exception):
    """At one position Kafka and the store hold different facts."""

    exit_status = 3

    def __init__(self, tail: Tail) -> None:
        super().__init__(
            f"Position {tail.position} is the event {tail.event_id} in Kafka ({tail.topic}, partition {tail.partition}), but"
            " another one, or one with another hash, in this store: they do not belong together. Set DATABASE_URL,"
            " KAFKA_BOOTSTRAP_SERVERS and KAFKA_TOPIC_PREFIX to a store and topics that do; an empty prefix gets everything."
        )


def read(bootstrap_servers: str, settings: TopicSettings, timeout_seconds: float = 30.0) -> Sequence[Tail]:
    """The last record of every partition that has one. Raises `KafkaUnreachable` or `ForeignRecord`."""
    consumer = kafka.consumer(
        bootstrap_servers,
        group_id="tillstream-publisher",
        enable_auto_commit=False,
        enable_partition_eof=True,
        fetch_wait_max_ms=10,  # Partitions that have nothing more to give shall not hold up the others.
    )
    try:
        return [_tail(settings.prefix, message) for message in _last_messages(consumer, settings, timeout_seconds)]
    except (KafkaException, TimeoutError) as error:
        raise kafka.KafkaUnreachable(bootstrap_servers, error) from error
    finally:
        consumer.close()


def compare(connection: Connection[Any], tails: Iterable[Tail]) -> None:
    """Return if the store has what Kafka has. Raises `StoreOlderThanKafka` or `AnotherHistory`.

    Positions that only Kafka has since an older store was accepted are passed over.
    """
    in_question = [tail for tail in tails if not _accepted(connection, tail)]
    positions = [tail.position for tail in in_question]
    found = connection.execute(
        "SELECT position, event_id, hash FROM store.log WHERE position = ANY(%s)", (positions,), binary=True
    )
    facts = {position: (event_id, hash) for position, event_id, hash in found}
    end = last_position(connection)
    for tail in sorted(in_question, key=lambda tail: -tail.position):
        if tail.position > end:
            raise StoreOlderThanKafka(end, tail)
        if facts.get(tail.position) != (tail.event_id, tail.hash):
            raise AnotherHistory(tail)


def accept(connection: Connection[Any], epoch: int, tails: Sequence[Tail], reason: str) -> None:
    """Let the log go on behind Kafka's last record, and keep the reason. Raises `epoch.Fenced`."""
    newest = max(tails, key=lambda tail: tail.position)
    with epochs.fenced(), connection.transaction():
        epochs.hold(connection, epoch)
        connection.execute(
            "INSERT INTO store.acceptances (reason, store_position, kafka_position, kafka_hash) VALUES (%s, %s, %s, %s)",
            (reason, last_position(connection), newest.position, newest.hash),
        )


def first_missing(connection: Connection[Any], publication: Publication, tails: Iterable[Tail]) -> int:
    """The position behind which sending begins: the last published one, or an earlier one where Kafka lost what it had.

    Where it lost anything of late, partitions are looked at that got nothing of late too.
    """
    there = {Source(tail.topic, tail.partition): tail.position for tail in tails}
    _, _, first, published = publication
    for look_from in (max(first, published - LOOK_BACK + 1), first):
        last = _last_positions(connection, look_from, publication)
        ends = [there.get(source, 0) for source, position in last.items() if there.get(source, 0) < position]
        if not ends:
            return published
    return max(min(ends), first - 1)


def last_position(connection: Connection[Any]) -> int:
    """The store's last position; 0 where it has none."""
    row = connection.execute("SELECT coalesce(max(position), 0) FROM store.positions").fetchone()
    assert row is not None, "an aggregate has a row"
    return int(row[0])


def _last_positions(connection: Connection[Any], first: int, publication: Publication) -> Mapping[Source, int]:
    """The last position that each partition must have, of those from `first` on that were published."""
    last: dict[Source, int] = {}
    while first <= publication.published:
        up_to = min(first + LOOK_BACK - 1, publication.published)
        found = connection.execute(
            "SELECT topic, stream, position FROM store.positions WHERE position BETWEEN %s AND %s ORDER BY position",
            (first, up_to),
        )
        for topic, stream, position in found:
            last[Source(topic, partition_of(stream.encode(), publication.partitions))] = position
        first = up_to + 1
    return last


def _accepted(connection: Connection[Any], tail: Tail) -> bool:
    found = connection.execute(
        "SELECT FROM store.acceptances WHERE store_position < %(position)s AND %(position)s <= kafka_position",
        {"position": tail.position},
    )
    return found.fetchone() is not None


def _last_messages(consumer: Consumer, settings: TopicSettings, timeout_seconds: float) -> Iterator[Message]:
    """The last message of each partition; none of an empty one, whose end is reported instead."""
    deadline = time.monotonic() + timeout_seconds
    topics = [full_name(settings.prefix, topic) for topic in TOPICS.values()]
    waiting = {(topic, partition) for topic in topics for partition in range(settings.partitions)}
    consumer.assign([TopicPartition(topic, partition, _LAST) for topic, partition in waiting])
    while waiting:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the last records of {sorted(waiting)} did not come")
        message = consumer.poll(0.5)
        if message is None:
            continue
        error = message.error()
        if error is None and (message.topic(), message.partition()) in waiting:
            yield message
        elif error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        waiting.discard((str(message.topic()), int(message.partition() or 0)))


def _tail(prefix: str, message: Message) -> Tail:
    """Only what is compared is read: a newer version of the service may have written a schema that is unknown here."""
    topic = str(message.topic()).removeprefix(prefix)
    headers: Mapping[str, Any] = dict(message.headers() or ())
    try:
        position, event_id, hash = (headers[name].decode() for name in ("ce_position", "ce_id", "ce_hash"))
        return Tail(topic, int(message.partition() or 0), int(position), UUID(event_id), bytes.fromhex(hash))
    except (KeyError, ValueError) as error:
        raise ForeignRecord(topic, f"its headers cannot be read ({error!r})") from error
