"""Checkpoints: every few seconds, what Kafka has acknowledged is counted up per partition, signed, and published too.

It runs beside numbering and sending and never holds them up. What is counted is what the store says of each position;
the last checkpoint is kept in the store, so that the next leader counts on from it.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from prometheus_client import Gauge
from psycopg import Connection

from commands.publisher import epoch as epochs
from commands.publisher import facts
from commands.publisher.publications import Publication
from eventlog import checkpoints
from eventlog.checkpoints import Checkpoint, Tally
from eventlog.in_order import InOrder
from eventlog.kafka import LogInterrupted
from eventlog.log import Source
from eventlog.signatures import SigningKey
from eventlog.topics import full_name, partition_of
from eventlog.verification import BEGINNING, Mark
from runtime import kafka
from schemas.names import TOPICS

SIGNED = Gauge("tillstream_checkpoint_position", "The position up to which the last signed checkpoint reaches.")

_AT_ONCE = 10_000
_ANSWER_SECONDS = 10.0
_PAGE = """
    SELECT position, topic, stream, hash FROM store.positions
     WHERE position > %s AND position <= %s ORDER BY position LIMIT %s
"""

_NOT_NOW = (KafkaException, BufferError, LogInterrupted)

log = structlog.get_logger()


class Counted(NamedTuple):
    """What was counted so far: up to a place in the chain, of each partition."""

    mark: Mark
    tallies: dict[Source, Tally]


class Checkpointing:
    """Makes checkpoints for one set of topics. Owns its thread, a connection and a producer."""

    def __init__(
        self,
        connection: Connection[Any],
        epoch: int,
        key: SigningKey,
        bootstrap_servers: str,
        publication: Publication,
    ) -> None:
        self._connection = connection
        self._epoch = epoch
        self._key = key
        self._bootstrap_servers = bootstrap_servers
        self._publication = publication
        self._topic = full_name(publication.prefix, checkpoints.TOPIC)
        self._counted = self._last()

    def run(self, sleep: Callable[[], bool]) -> None:
        """Make checkpoints until `sleep`, which waits for the next one's time, says that it is over.

        Raises `epoch.Fenced`, `psycopg.OperationalError`.
        """
        self._make_known()
        producer = kafka.producer(self._bootstrap_servers, acks="all", message_timeout_ms=int(_ANSWER_SECONDS * 1000))
        with closing(producer):
            while not sleep():
                self._make(producer)

    def _make(self, producer: Producer) -> None:
        """Make one, if there is anything new."""
        published = epochs.checkpoint(self._connection)
        if published <= self._counted.mark.position:
            return
        try:
            self._counted = self._count(self._counted, published)
            (position, hash), tallies = self._counted
            made = Checkpoint(self._publication.prefix, position, hash, datetime.now(UTC), tallies)
            jws = checkpoints.signed(made, self._key)
            self._publish(producer, made, jws)
        except _NOT_NOW as error:
            log.warning("no checkpoint could be published; the next one makes up for it", reason=str(error))
            return
        self._keep(position, jws)
        SIGNED.set(position)

    # Counting.

    def _last(self) -> Counted:
        """Where counting goes on; at the beginning for topics with another number of partitions."""
        prefix, partitions, first, _ = self._publication
        row = self._connection.execute(
            "SELECT jws FROM store.checkpoints WHERE prefix = %s AND partitions = %s", (prefix, partitions)
        ).fetchone()
        if row is None:
            return Counted(Mark(first - 1, facts.hash_at(self._connection, first - 1)), {})
        last = checkpoints.read_own(row[0])
        return Counted(Mark(last.position, last.hash), dict(last.tallies))

    def _count(self, counted: Counted, up_to: int) -> Counted:
        mark, tallies = counted.mark, dict(counted.tallies)
        while page := self._page(mark.position, up_to):
            for position, topic, stream, hash in page:
                if position != mark.position + 1:
                    mark, tallies = self._counted_in_kafka(position - 1)
                source = Source(topic, partition_of(stream.encode(), self._publication.partitions))
                tallies[source] = tallies.get(source, Tally()).after(position, hash)
                mark = Mark(position, hash)
        return Counted(mark, tallies)

    def _page(self, after: int, up_to: int) -> Sequence[tuple[int, str, str, bytes]]:
        return self._connection.execute(_PAGE, (after, up_to, _AT_ONCE), binary=True).fetchall()

    def _counted_in_kafka(self, up_to: int) -> Counted:
        """What a reader of Kafka counts: the store lacks facts that Kafka has, since an older one was accepted."""
        mark, tallies = Counted(BEGINNING, {})
        with closing(InOrder(self._bootstrap_servers, TOPICS.values(), prefix=self._publication.prefix)) as events:
            events.begin(1, {}, events.ends())
            while page := events.read(_AT_ONCE, up_to):
                for fact in page:
                    source = Source(fact.topic, fact.partition)
                    tallies[source] = tallies.get(source, Tally()).after(fact.position, fact.hash)
                    mark = Mark(fact.position, fact.hash)
        return Counted(mark, tallies)

    # Publishing.

    def _make_known(self) -> None:
        """Keep the public key, for the API and for whoever verifies."""
        with epochs.fenced(), self._connection.transaction():
            epochs.hold(self._connection, self._epoch)
            self._connection.execute(
                "INSERT INTO store.signing_keys (kid, public_key) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (self._key.public.id, self._key.public.raw),
            )

    def _publish(self, producer: Producer, made: Checkpoint, jws: str) -> None:
        """Return once Kafka has it. The day is its key, so that the last one of each day stays for ever."""
        answers: list[KafkaError | None] = []

        def answered(error: KafkaError | None, _: Message) -> None:
            answers.append(error)

        headers: Any = [("content-type", checkpoints.CONTENT_TYPE.encode())]
        day = f"{made.made_at:%Y-%m-%d}"
        producer.produce(self._topic, jws.encode(), day, on_delivery=answered, headers=headers)
        producer.flush(_ANSWER_SECONDS + 1)
        if answers != [None]:
            raise KafkaException(answers[0] if answers else "Kafka does not answer")

    def _keep(self, position: int, jws: str) -> None:
        with epochs.fenced(), self._connection.transaction():
            epochs.hold(self._connection, self._epoch)
            self._connection.execute(
                "INSERT INTO store.checkpoints (prefix, partitions, position, jws) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (prefix) DO UPDATE SET (partitions, position, jws, made_at)"
                " = (excluded.partitions, excluded.position, excluded.jws, excluded.made_at)",
                (self._publication.prefix, self._publication.partitions, position, jws),
            )
