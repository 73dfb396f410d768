"""The log as Kafka holds it: read from places of one's own, or from those that a consumer group hands out."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from eventlog import topics as broker_topics
from eventlog.log import Batch, Source
from eventlog.topics import TopicIdentity, full_name
from runtime import kafka
from schemas import cloudevents
from schemas.cloudevents import ForeignRecord
from schemas.envelope import Recorded

log = structlog.get_logger()

# What a reader of this log wants of its consumer: its places are kept elsewhere, so one that is gone is an error, and what
# is fetched ahead stays small, so that memory does not grow with the log.
_CONSUMER: Mapping[str, Any] = {
    "enable_auto_commit": False,
    "enable_auto_offset_store": False,
    "auto_offset_reset": "error",
    "partition_assignment_strategy": "roundrobin",
    "session_timeout_ms": 6_000,  # The shortest that brokers allow as they come: another one takes over soon.
    "heartbeat_interval_ms": 500,  # With a heartbeat a member learns that others came or went.
    "fetch_wait_max_ms": 100,
    "fetch_error_backoff_ms": 100,
    # These hold for each partition, and there are dozens of them: together they are what a long rebuild keeps in memory.
    "queued_max_messages_kbytes": 256,
    "max_partition_fetch_bytes": 262_144,
    "fetch_max_bytes": 1_048_576,
}

_WORTH_READING_AHEAD = 500  # So many facts at once: then there are more.
_ANSWER_WITHIN_SECONDS = 10.0
_LATEST = -1  # Kafka's own sign for "the end" where a time is asked for.


class LogInterrupted(Exception):
    """Reading broke off, and may go on from the last places: the broker is away, or the group went on without us."""


class PlaceGone(Exception):
    """The topic no longer holds, or never held, the place where reading was to go on."""

    def __init__(self, message: Message) -> None:
        super().__init__(
            f"Topic {message.topic()} holds no offset {message.offset()} in partition {message.partition()}: it was cut off,"
            " or deleted and made anew. Facts are kept for ever, so find out what happened. In topics that were made anew"
            " the read models go on with `python -m projections move`; of one that was cut off the facts must be published"
            " again first (docs/republishing.md)."
        )


Assigned = Callable[[Collection[Source]], Mapping[Source, int]]


def open_log(bootstrap_servers: str, topics: Iterable[str], *, prefix: str, group_id: str) -> "KafkaLog":
    """A log with a consumer of its own. The group matters to those who `join` only."""
    outage = Outage()
    consumer = kafka.consumer(bootstrap_servers, group_id=group_id, error_cb=outage.heard, **_CONSUMER)
    return KafkaLog(consumer, topics, prefix, outage, kafka.admin(bootstrap_servers))


class Outage:
    """Whether the broker is away, told in the log once when it goes and once when it is back."""

    def __init__(self) -> None:
        self._is_on = False

    def heard(self, error: KafkaError) -> None:
        """What the client library noticed while it was trying to read; it goes on trying by itself."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._is_on:
            self._is_on = True
            log.warning("Kafka does not answer; reading goes on when it is back", reason=error.str())

    def over(self) -> None:
        """Something was read."""
        if self._is_on:
            self._is_on = False
            log.info("Kafka answers again")


class KafkaLog:
    """The Log port over a consumer, which it owns. Sources are named by their logical topics, without the prefix."""

    def __init__(
        self, consumer: Consumer, topics: Iterable[str], prefix: str, outage: Outage, admin: AdminClient | None = None
    ) -> None:
        self._consumer = consumer
        self._admin = admin
        self._outage = outage
        self._logical = {full_name(prefix, topic): topic for topic in topics}
        self._prefix = prefix
        self._sources: Sequence[Source] = ()
        self._places: Mapping[Source, int] = {}
        self._moved = False
        self._ahead: Future[Sequence[Batch]] | None = None
        self._decoding = ThreadPoolExecutor(1, "decoding")

    def sources(self) -> Sequence[Source]:
        """Every partition of its topics. Raises `LogInterrupted` where a topic is missing or the broker is away."""
        if not self._sources:  # Their number never changes: the topics are made with it.
            self._sources = [
                Source(logical, partition)
                for topic, logical in self._logical.items()
                for partition in self._partitions(topic)
            ]
        return self._sources

    def partitions(self) -> Mapping[str, int]:
        """How many partitions each topic has."""
        return Counter(source.topic for source in self.sources())

    def identities(self) -> Mapping[str, TopicIdentity]:
        """Which topics these are, by their logical names. For logs of `open_log`. Raises `LogInterrupted`."""
        assert self._admin is not None, "`open_log` gives one"
        try:
            found = broker_topics.identities(self._admin, list(self._logical))
        except KafkaException as error:
            raise LogInterrupted(_sentence(error.args[0])) from error
        return {self._logical[name]: identity for name, identity in found.items()}

    def places_after(self, position: int) -> Mapping[Source, int]:
        """For each source the offset of its first fact above a position; its end where there is none.

        Most who ask mean a position near the end, so it is looked for from there in ever longer steps, then by halves.
        """
        low, high, step = dict.fromkeys(self.sources(), 0), dict(self.ends()), 1
        while unknown := [source for source in low if low[source] < high[source]]:
            places = {
                source: (low[source] + high[source]) // 2 if low[source] else max(0, high[source] - step)
                for source in unknown
            }
            for source, fact in self.facts_at(places).items():
                if fact.position > position:
                    high[source] = places[source]
                else:
                    low[source] = places[source] + 1
            step *= 2
        return low

    def facts_at(self, places: Mapping[Source, int]) -> Mapping[Source, Recorded]:
        """The facts at these offsets, which there must be. Reading goes on behind them. Raises `LogInterrupted`."""
        self.seek(places)
        found: dict[Source, Recorded] = {}
        while len(found) < len(places):
            batches = self.read(1, _ANSWER_WITHIN_SECONDS)
            if not batches:
                raise LogInterrupted(f"Nothing came from Kafka for {_ANSWER_WITHIN_SECONDS:g} seconds.")
            for batch in batches:
                found.setdefault(batch.source, batch.facts[0])
        return found

    def ends(self) -> Mapping[Source, int]:
        return self._offsets(_LATEST)

    def ends_last_heard(self, sources: Iterable[Source]) -> Mapping[Source, int]:
        """The ends of sources that are being read, as of the last answer to a fetch. Asks nobody, costs nothing."""
        heard = {source: self._consumer.get_watermark_offsets(self._place(source), cached=True) for source in sources}
        return {source: marks[1] for source, marks in heard.items() if marks is not None and marks[1] >= 0}

    def offsets_since(self, moment: datetime) -> Mapping[Source, int]:
        """For each source the first offset that the broker wrote at `moment` or later; its end where there is none."""
        ends = self.ends()
        found = self._offsets(int(moment.timestamp() * 1000))
        return {source: offset if offset >= 0 else ends[source] for source, offset in found.items()}

    def seek(self, places: Mapping[Source, int]) -> None:
        self._move(places)
        self._consumer.assign([self._place(source, offset) for source, offset in places.items()])

    def join(self, assigned: Assigned, revoked: Callable[[], None]) -> None:
        """Share the sources with all others of the consumer's group.

        `assigned` is told which sources are ours from now on and answers where to read on in each; `revoked`, that none
        is. Both are called from within `read`, and what they raise comes out of it.
        """

        def on_assign(_consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self.seek(assigned([self._source(place.topic, place.partition) for place in partitions]))

        def on_revoke(_consumer: Consumer, _partitions: list[TopicPartition]) -> None:
            self._move({})
            revoked()

        self._consumer.subscribe(list(self._logical), on_assign=on_assign, on_revoke=on_revoke, on_lost=on_revoke)

    def leave(self) -> None:
        """Give all sources back to the group."""
        self._move({})
        self._consumer.unsubscribe()

    def read(self, limit: int, timeout_seconds: float) -> Sequence[Batch]:
        """As the port says; also raises `LogInterrupted`, `PlaceGone`, and `ForeignRecord` for what is no fact of ours.

        While there is much to read, what comes next is decoded in a thread of its own, as the caller works on this.
        """
        self._moved = False
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            batches = ahead.result()
        else:
            messages = self._messages(limit, timeout_seconds)
            if messages and self._goes_back_to_its_places():
                return []
            batches = self._batches(messages)
        if sum(len(batch.facts) for batch in batches) >= _WORTH_READING_AHEAD:
            more = self._consumer.consume(limit, 0)
            if self._goes_back_to_its_places():
                return []
            self._ahead = self._decoding.submit(self._batches, more) if more else None
        return batches

    def close(self) -> None:
        self._consumer.close()
        self._decoding.shutdown()

    def _move(self, places: Mapping[Source, int]) -> None:
        """Forget what was read from other places than these."""
        self._places, self._moved, self._ahead = places, True, None

    def _goes_back_to_its_places(self) -> bool:
        """Whether the sources changed hands while we read, so that what was read may be from before.

        Then reading begins again where we were told to begin.
        """
        if self._moved and self._places:
            self.seek(self._places)
        return self._moved

    def _batches(self, messages: Sequence[Message]) -> Sequence[Batch]:
        """Messages decoded, by source."""
        by_source: dict[Source, list[Message]] = {}
        for message in messages:
            _check(message)
            by_source.setdefault(self._source(message.topic(), message.partition()), []).append(message)
        if messages:
            self._outage.over()
        return [_batch(source, found) for source, found in by_source.items()]

    def _messages(self, limit: int, timeout_seconds: float) -> Sequence[Message]:
        """Wait for the first only: `consume(limit, timeout)` waits out its time-out even when messages are there."""
        first = self._consumer.poll(timeout_seconds)
        if first is None:
            return []
        return [first, *self._consumer.consume(limit - 1, 0)] if limit > 1 else [first]

    def _source(self, topic: str | None, partition: int | None) -> Source:
        return Source(self._logical[cast(str, topic)], cast(int, partition))

    def _place(self, source: Source, offset: int = 0) -> TopicPartition:
        return TopicPartition(full_name(self._prefix, source.topic), source.partition, offset)

    def _partitions(self, topic: str) -> Iterable[int]:
        try:
            found = self._consumer.list_topics(topic, timeout=_ANSWER_WITHIN_SECONDS).topics[topic]
        except KafkaException as error:
            raise LogInterrupted(_sentence(error.args[0])) from error
        if found.error is not None:
            raise LogInterrupted(f"{_sentence(found.error)} (topic {topic})")
        return sorted(found.partitions)

    def _offsets(self, moment_ms: int) -> Mapping[Source, int]:
        places = [self._place(source, moment_ms) for source in self.sources()]
        try:
            found = self._consumer.offsets_for_times(places, timeout=_ANSWER_WITHIN_SECONDS)
        except KafkaException as error:
            raise LogInterrupted(_sentence(error.args[0])) from error
        for place in found:
            if place.error is not None:
                raise LogInterrupted(f"{_sentence(place.error)} (topic {place.topic}, partition {place.partition})")
        return {self._source(place.topic, place.partition): place.offset for place in found}


def _check(message: Message) -> None:
    error = message.error()
    if error is None:
        return
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise PlaceGone(message)
    raise LogInterrupted(_sentence(error))


def _batch(source: Source, messages: Sequence[Message]) -> Batch:
    return Batch(source, cast(int, messages[-1].offset()) + 1, [_fact(source.topic, message) for message in messages])


def _fact(topic: str, message: Message) -> Recorded:
    headers = cast(list[cloudevents.Header] | None, message.headers())
    try:
        return cloudevents.read(headers, topic=topic, key=message.key(), value=message.value())
    except ForeignRecord as error:
        place = f"partition {message.partition()}, offset {message.offset()}"
        raise ForeignRecord(topic, f"{error.problem} ({place})") from error


def _sentence(error: KafkaError) -> str:
    return f"Kafka says: {error.str()}"
