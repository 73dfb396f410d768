"""Kafka's facts in the one order of positions: all partitions merged, each record just as it was sent, not decoded.

What is ahead of its turn waits in memory. A partition of which much waits is paused, so memory stays flat however
unevenly the log is spread: the next position never lies in a partition of which something waits.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from confluent_kafka import KafkaError, Message, TopicPartition

from eventlog.kafka import KafkaLog, LogInterrupted, Outage, PlaceGone
from eventlog.log import Source
from eventlog.numbered import Numbered
from eventlog.topics import full_name
from runtime import kafka
from schemas import cloudevents
from schemas.cloudevents import Header

_AT_ONCE = 5_000
# So many of a partition may wait, and fewer where there are many partitions. One that is paused and resumed is fetched anew,
# so it goes on well before nothing of it waits.
_MANY_WAIT = 1_000
_FEW_WAIT = 500
_ALL_WAIT = 72_000
_POLL_SECONDS = 0.25
_AT_LEAST_WAIT = 100
_SILENT_SECONDS = 30.0
_ENDS_SECONDS = 10.0
_STRANGERS_KEPT = 100

_CONSUMER = {
    "enable_auto_commit": False,
    "auto_offset_reset": "error",
    "fetch_wait_max_ms": 100,
    "queued_max_messages_kbytes": 4_096,
}


class Stranger(NamedTuple):
    """A record that is no fact of ours, and why."""

    source: Source
    offset: int
    problem: str


class InOrder:
    """A reader of all partitions of some topics, with a consumer of its own.

    `strangers` and `repeats` are left out of what is read, and kept for whoever reads: records that are no facts, and
    facts that every reader drops, since their position is not higher than the last one of their partition.
    """

    def __init__(
        self, bootstrap_servers: str, topics: Iterable[str], *, prefix: str, over: Callable[[], bool] = lambda: False
    ) -> None:
        """`over` is asked while nothing comes: once it says so, reading ends with `LogInterrupted`."""
        outage = Outage()
        self._consumer = kafka.consumer(
            bootstrap_servers, group_id=f"{prefix}in-order", error_cb=outage.heard, **_CONSUMER
        )
        topics = list(topics)
        self._log = KafkaLog(self._consumer, topics, prefix, outage)
        self._logical = {full_name(prefix, topic): topic for topic in topics}
        self.prefix = prefix
        self._over = over
        self._next = 1
        self._ends: Mapping[Source, int] = {}
        self._offsets: dict[Source, int] = {}  # Where each source goes on.
        self._ahead: dict[int, tuple[Source, Numbered]] = {}  # By position: facts whose turn has not come.
        self._waiting: dict[Source, deque[int]] = {}  # Their offsets, in order.
        self._last: dict[Source, int] = {}  # The highest position of each source: a reader drops what is not higher.
        self._paused: set[Source] = set()
        self._many_wait, self._few_wait = _MANY_WAIT, _FEW_WAIT
        self.strangers: list[Stranger] = []
        self.repeats: list[Numbered] = []

    def ends(self) -> Mapping[Source, int]:
        """Each source's end as of now. Raises `LogInterrupted` where a topic is missing or the broker is away."""
        deadline = time.monotonic() + _ENDS_SECONDS
        while True:
            try:
                return self._log.ends()
            except LogInterrupted:
                if self._over() or time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)  # While a partition changes its leader, or just got its first, nobody knows.

    def begin(self, position: int, places: Mapping[Source, int], ends: Mapping[Source, int]) -> None:
        """Read from a position on, the sources of `ends` from their `places` (else from their beginning) to their ends."""
        self._next, self._ends = position, ends
        self._offsets = {source: places.get(source, 0) for source in ends}
        self._ahead, self._last, self._paused = {}, {}, set()
        self._waiting = {source: deque() for source in ends}
        self._many_wait = min(_MANY_WAIT, max(_AT_LEAST_WAIT, _ALL_WAIT // max(len(ends), 1)))
        self._few_wait = min(_FEW_WAIT, self._many_wait // 2)
        self._log.seek(self._offsets)

    def places(self) -> Mapping[Source, int]:
        """Where to begin, for whoever is to read on behind what was read so far."""
        return {source: waiting[0] if waiting else self._offsets[source] for source, waiting in self._waiting.items()}

    @property
    def read_so_far(self) -> int:
        """How many records were met."""
        return sum(self._offsets.values())

    def read(self, limit: int, up_to: int | None = None, patience_seconds: float = 0.0) -> Sequence[Numbered]:
        """The next facts in order, at most `limit` of them, none beyond position `up_to`. Empty: there are none.

        What comes next may lie behind a gap. For a fact that is missing at the end of all sources we wait a little, since
        they do not grow in step. Raises `LogInterrupted` and `PlaceGone`.
        """
        facts: list[Numbered] = []
        while len(facts) < limit and (up_to is None or self._next <= up_to):
            if self._next in self._ahead:
                facts.append(self._take())
            elif facts:
                break
            elif self._can_be_filled():
                self._fill()
            elif not self._ahead:
                break
            elif not self._grown_within(patience_seconds):
                self._next = min(self._ahead)
        return facts

    def close(self) -> None:
        self._log.close()

    def _take(self) -> Numbered:
        source, fact = self._ahead.pop(self._next)
        self._next += 1
        self._waiting[source].popleft()
        return fact

    # What comes from Kafka.

    def _can_be_filled(self) -> bool:
        """Whether the next position may still come: from a source of which nothing waits, and which has not ended."""
        return any(
            not self._waiting[source] and offset < self._ends[source] for source, offset in self._offsets.items()
        )

    def _fill(self) -> None:
        self._resume([source for source in self._paused if len(self._waiting[source]) <= self._few_wait])
        for message in self._messages():
            self._meet(message)
        self._pause(
            source
            for source, waiting in self._waiting.items()
            if len(waiting) >= self._many_wait or self._offsets[source] >= self._ends[source]
        )

    def _messages(self) -> Sequence[Message]:
        deadline = time.monotonic() + _SILENT_SECONDS
        while (first := self._consumer.poll(_POLL_SECONDS)) is None:
            if self._over() or time.monotonic() > deadline:
                raise LogInterrupted(f"Kafka gave nothing more for {_SILENT_SECONDS:g} seconds.")
        return [first, *self._consumer.consume(_AT_ONCE, 0)]

    def _meet(self, message: Message) -> None:
        _check(message)
        source = Source(self._logical[cast(str, message.topic())], cast(int, message.partition()))
        offset = cast(int, message.offset())
        if not self._offsets[source] <= offset < self._ends[source]:
            return  # Fetched before a pause and once more after it, or recorded after we began.
        self._offsets[source] = offset + 1
        try:
            fact = _as_sent(source, message)
        except cloudevents.ForeignRecord as error:
            if len(self.strangers) < _STRANGERS_KEPT:
                self.strangers.append(Stranger(source, offset, error.problem))
            return
        if fact.position <= self._last.get(source, self._next - 1) or fact.position in self._ahead:
            self.repeats.append(fact)
            return
        self._last[source] = fact.position
        self._ahead[fact.position] = source, fact
        self._waiting[source].append(offset)

    def _grown_within(self, seconds: float) -> bool:
        """Whether a source of which nothing waits goes on, looked for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._ends = self.ends()
            if self._can_be_filled():
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _pause(self, sources: Iterable[Source]) -> None:
        if new := set(sources) - self._paused:
            self._consumer.pause([self._place(source) for source in new])
            self._paused |= new

    def _resume(self, sources: Iterable[Source]) -> None:
        if open := {source for source in sources if self._offsets[source] < self._ends[source]}:
            self._consumer.resume([self._place(source) for source in open])
            self._paused -= open

    def _place(self, source: Source) -> TopicPartition:
        return TopicPartition(full_name(self.prefix, source.topic), source.partition)


def _check(message: Message) -> None:
    error = message.error()
    if error is None:
        return
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise PlaceGone(message)
    raise LogInterrupted(f"Kafka says: {error.str()}")


def _as_sent(source: Source, message: Message) -> Numbered:
    headers = cast(list[Header] | None, message.headers())
    sent = cloudevents.read_unopened(headers, topic=source.topic, key=message.key(), value=message.value())
    return Numbered(*sent, source.partition)
