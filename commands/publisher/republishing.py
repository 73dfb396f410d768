"""Republishing: the facts go out again, as they are in the store, to topics under another prefix than the publisher's.

Positions, hashes and the order per stream stay; only the partition of a fact is chosen anew, since the topics may have
another number of them. The publisher may work on beside it, and takes the topics over when it is pointed to them.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from commands.publisher import facts, publications, sending, tails
from commands.publisher.publications import Publication
from commands.publisher.sending import Sender
from commands.publisher.tails import Tail
from commands.settings import RepublishSettings
from eventlog import numbered, topics
from runtime import kafka, leadership
from runtime.kafka import KafkaUnreachable

Told = Callable[[str, int, int], object]  # what is done, how much of it was, how much there is

_AT_ONCE = 2_000
_ANSWER_SECONDS = 0.1
_NOTE_SECONDS = 0.5
_SILENT_SECONDS = 30.0  # So long without an answer, and Kafka is taken to be away.


class PastTheEnd(Exception):
    """There is no such position yet."""

    def __init__(self, first: int, end: int) -> None:
        super().__init__(
            f"There is nothing to republish from position {first} on: the log ends at {end}. `--from 1` takes all of it."
        )


class PrefixIsLive(Exception):
    """The publisher fills these topics."""

    def __init__(self, prefix: str) -> None:
        super().__init__(
            f"The publisher fills the topics {prefix}…, so nothing is republished to them. Set KAFKA_TOPIC_PREFIX to a new"
            " prefix, for this command alone. If these topics were lost or emptied, the publisher fills them again by"
            " itself: start it."
        )


class TopicsInUse(Exception):
    """The topics hold records, and this store knows of none that it sent there."""

    def __init__(self, prefix: str, found: Sequence[Tail]) -> None:
        held = ", ".join(sorted({tail.topic for tail in found}))
        super().__init__(
            f"The topics {prefix}… hold records already ({held}), which were never sent from this store. Set"
            " KAFKA_TOPIC_PREFIX to a prefix that nobody uses."
        )


class BegunElsewhere(Exception):
    """The topics begin with another position."""

    def __init__(self, prefix: str, begun: int, first: int) -> None:
        super().__init__(
            f"The topics {prefix}… begin with position {begun}, not with {first}. To go on with them, say --from {begun};"
            " to begin elsewhere, set KAFKA_TOPIC_PREFIX to another prefix."
        )


class OnlyInKafka(Exception):
    """Some positions are not in the store, since an older one was accepted."""

    def __init__(self, after: int, last: int, reason: str) -> None:
        super().__init__(
            f"Positions {after + 1} to {last} are not in this store, for it was restored from an older state, which was"
            f" accepted ({reason}). So they cannot be republished. Say --from {last + 1}, or copy the topics that hold them"
            " with a tool of Kafka's."
        )


class AnotherRepublishes(Exception):
    """Somebody else is republishing to these topics."""

    def __init__(self, prefix: str) -> None:
        super().__init__(
            f"Somebody is republishing to {prefix}… already. Wait for its end, or stop it, and run this again."
        )


class Republished(NamedTuple):
    """What is there now: all facts from one position to another, under a prefix."""

    prefix: str
    first: int
    last: int


class Republishing:
    """One run over an autocommit connection; another one goes on where it ended. Owns its thread; memory stays flat."""

    def __init__(self, connection: Connection[Any], settings: RepublishSettings, told: Told) -> None:
        self._connection = connection
        self._settings = settings
        self._told = told

    def run(self, first: int) -> Republished:
        """Send everything from `first` to the log's end as of now.

        Raises `PastTheEnd`, `PrefixIsLive`, `TopicsInUse`, `BegunElsewhere`, `OnlyInKafka`, `AnotherRepublishes`,
        `TopicsUnfit`, `ForeignRecord`, `AnotherHistory`, `StoreOlderThanKafka`, `DeliveryFailed`, `KafkaUnreachable`,
        `LeadershipLost`.
        """
        prefix = self._settings.prefix
        alone = leadership.take(self._settings.database_url, publications.republishing(prefix))
        if alone is None:
            raise AnotherRepublishes(prefix)
        with alone:
            numbered.prepare(self._connection)
            last = tails.last_position(self._connection)
            self._refuse_what_cannot_be(first, last)
            topics.ensure(kafka.admin(self._settings.bootstrap_servers), self._settings)
            sender = self._sender(first)
            try:
                self._send(sender, first, last, alone.confirm)
            finally:
                sender.close()
        return Republished(prefix, first, last)

    def _refuse_what_cannot_be(self, first: int, last: int) -> None:
        prefix = self._settings.prefix
        if first > last:
            raise PastTheEnd(first, last)
        if publications.live(self._connection) == prefix:
            raise PrefixIsLive(prefix)
        lacking = self._connection.execute(
            "SELECT store_position, kafka_position, reason FROM store.acceptances WHERE kafka_position >= %s"
            " ORDER BY kafka_position DESC LIMIT 1",
            [first],
        ).fetchone()
        if lacking is not None:
            raise OnlyInKafka(*lacking)

    def _sender(self, first: int) -> Sender:
        """Behind what the topics hold already."""
        settings = self._settings
        found = tails.read(settings.bootstrap_servers, settings)
        known = self._publication()
        if known is None and found:
            raise TopicsInUse(settings.prefix, found)
        if known is not None and known.first_position != first:
            raise BegunElsewhere(settings.prefix, known.first_position, first)
        tails.compare(self._connection, found)
        publications.begin(self._connection, settings, first)
        known = self._publication()
        assert known is not None, "it has just begun"
        after = tails.first_missing(self._connection, known, found)
        producer = sending.producer(settings.bootstrap_servers, compression=settings.compression)
        return Sender(producer, prefix=settings.prefix, service_url=settings.service_url, after=after, tails=found)

    def _publication(self) -> Publication | None:
        return publications.find(self._connection, self._settings.prefix)

    def _send(self, sender: Sender, first: int, last: int, confirm: Callable[[], None]) -> None:
        """Read and send, as far as there is room, and note what Kafka has acknowledged."""
        noted, noted_at = sender.acknowledged, time.monotonic()
        answered_at = time.monotonic()
        in_hand: Sequence[numbered.Numbered] = ()
        while sender.acknowledged < last:
            confirm()
            before = sender.acknowledged
            if not in_hand and sender.handed < last:
                in_hand = facts.read(self._connection, sender.handed, _AT_ONCE, self._settings.partitions)
            if sender.is_full or not in_hand:
                (sender.settle if in_hand else sender.flush)(_ANSWER_SECONDS)
            else:
                in_hand = in_hand[sender.hand_over(in_hand) :]
                sender.settle(0)
            now = time.monotonic()
            if sender.acknowledged > before:
                answered_at = now
            elif now > answered_at + _SILENT_SECONDS:
                silence = TimeoutError(f"it has acknowledged nothing for {_SILENT_SECONDS:g} seconds")
                raise KafkaUnreachable(self._settings.bootstrap_servers, silence)
            if now > noted_at + _NOTE_SECONDS and sender.acknowledged > noted:
                self._note(sender, first, last)
                noted, noted_at = sender.acknowledged, now
        self._note(sender, first, last)

    def _note(self, sender: Sender, first: int, last: int) -> None:
        publications.note(self._connection, self._settings.prefix, min(sender.acknowledged, last))
        self._told(f"to {self._settings.prefix}", min(sender.acknowledged, last) - first + 1, last - first + 1)
