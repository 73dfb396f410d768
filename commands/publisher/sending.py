"""Sending: numbered facts go to Kafka in order, and it is known up to which position Kafka has acknowledged everything."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from commands.publisher.tails import Tail
from eventlog.numbered import Numbered
from eventlog.topics import full_name
from runtime import kafka
from schemas import cloudevents

_CONFIG = {
    "enable.idempotence": True,
    "acks": "all",
    "enable.gapless.guarantee": True,
    # For ever: with a finite time-out a record can be given up and a later one acknowledged; it would be lost unseen.
    "message.timeout.ms": 0,
    # What may be under way at a time. More waits in the store, so memory stays flat however long Kafka is away.
    "queue.buffering.max.messages": 20_000,
    "queue.buffering.max.kbytes": 65_536,
    "linger.ms": 20,  # For a backlog. Whoever is idle flushes, which does not linger.
}


class DeliveryFailed(Exception):
    """Kafka refused a record. Nothing behind it may be sent: the process ends, and the next one begins with it."""

    def __init__(self, error: object) -> None:
        super().__init__(f"Kafka refused a record, so nothing more is sent: {error!s}. The next start tries it again.")


def producer(bootstrap_servers: str, *, compression: str = "gzip", **config: Any) -> Producer:
    """A producer that gives up nothing and overtakes nothing. `config` as for `runtime.kafka.producer`."""
    ours = {**_CONFIG, "compression.type": compression}
    if compression == "gzip":
        ours["compression.level"] = 1  # Half the work of the usual 6, for a tenth more bytes.
    return kafka.producer(bootstrap_servers, **(ours | config))


class Sender:
    """One producer, and what of the log it was given, from `after` on. `tails`: what Kafka has is not sent again.

    Of the records handed over together, the last one of each partition calls back: a call for each costs as much as making
    the record. It answers for those before it, since the producer is idempotent and leaves no gap; offsets are counted besides.
    """

    def __init__(self, producer: Producer, *, prefix: str, service_url: str, after: int, tails: Iterable[Tail]) -> None:
        self._producer = producer
        self._prefix = prefix
        self._service_url = service_url
        self._tails = {(tail.topic.encode(), tail.partition): tail.position for tail in tails}
        self._lanes: dict[tuple[bytes, int], _Lane] = {}
        self._failures: list[KafkaError | str] = []
        self.handed = after
        self.is_full = False

    @property
    def acknowledged(self) -> int:
        """The position up to which Kafka has everything, as far as it has answered."""
        return min((lane.first - 1 for lane in self._lanes.values() if lane.first), default=self.handed)

    @property
    def is_idle(self) -> bool:
        """Whether everything handed to Kafka is acknowledged."""
        return not any(lane.first for lane in self._lanes.values())

    def hand_over(self, facts: Sequence[Numbered]) -> int:
        """Give facts to Kafka, in order, as many as there is room for: so many. `handed` says how far it came.

        Raises `DeliveryFailed`.
        """
        last = {(fact.written.topic, fact.partition): fact.position for fact in facts}
        for count, fact in enumerate(facts):
            try:
                self._produce(fact, last)
            except BufferError:
                self.is_full = True
                return count
            self.handed = fact.position
        return len(facts)

    def settle(self, timeout_seconds: float) -> None:
        """Take Kafka's answers; wait for the first of them at most so long. Raises `DeliveryFailed`."""
        if self._answers(self._producer.poll, timeout_seconds):
            self.is_full = False

    def flush(self, timeout_seconds: float) -> None:
        """Send at once what lingers, and wait until all is acknowledged, or for so long. Raises `DeliveryFailed`."""
        self._answers(self._producer.flush, timeout_seconds)

    def close(self) -> None:
        """Forget what is not acknowledged yet: it is the next leader's task."""
        with suppress(KafkaException, SystemError):  # It takes what we give up for a fatal error.
            self._producer.purge()
            self._producer.close()

    def _produce(self, fact: Numbered, last: Mapping[tuple[bytes, int], int]) -> None:
        position, written, value, previous_hash, hash, partition = fact
        place = written.topic, partition
        lane = self._lanes.get(place) or self._lane(*place)
        if position <= lane.tail:
            return
        headers: Any = cloudevents.headers(  # Pairs of text and bytes; the client's stubs want them wider.
            written,
            position=position,
            previous_hash=previous_hash,
            hash=hash,
            value=value,
            service_url=self._service_url,
        )
        calls_back = lane.is_new or position == last[place]
        answered = lane.answered if calls_back else None
        try:
            self._producer.produce(lane.topic, value, written.stream, partition, on_delivery=answered, headers=headers)
        except KafkaException as error:
            raise DeliveryFailed(error.args[0]) from error
        lane.handed(position, calls_back)

    def _lane(self, topic: bytes, partition: int) -> "_Lane":
        tail = self._tails.get((topic, partition), 0)
        lane = self._lanes[topic, partition] = _Lane(full_name(self._prefix, topic.decode()), tail, self._failures)
        return lane

    def _answers(self, wait: Callable[[float], int], timeout_seconds: float) -> int:
        """Let the client call back with Kafka's answers.

        It raises a fatal error in their midst, and Python reports as a SystemError that the next call was made all the same.
        """
        try:
            result = wait(timeout_seconds)
        except (KafkaException, SystemError) as error:
            raise DeliveryFailed(error.__cause__ or error) from error
        if self._failures:
            raise DeliveryFailed(self._failures[0])
        return result


class _Run(NamedTuple):
    """Records of one partition that follow each other, the last of which calls back."""

    first: int  # position
    records: int


class _Lane:
    """One partition: the runs under way in it. Kafka answers in order, since the producer is idempotent."""

    __slots__ = ("_begun", "_failures", "_offset", "_records", "_runs", "is_new", "tail", "topic")

    def __init__(self, topic: str, tail: int, failures: list[KafkaError | str]) -> None:
        self.topic = topic
        self.tail = tail
        self.is_new = True
        self._runs: deque[_Run] = deque()
        self._begun = self._records = 0  # The run that is being handed over: its first position, its records.
        self._offset: int | None = None  # Of the last record that was answered, if Kafka told it.
        self._failures = failures

    @property
    def first(self) -> int:
        """The first position that is not acknowledged; 0 where all are."""
        return self._runs[0].first if self._runs else self._begun

    def handed(self, position: int, calls_back: bool) -> None:
        """A record was handed over."""
        self.is_new = False
        self._begun = self._begun or position
        self._records += 1
        if calls_back:
            self._runs.append(_Run(self._begun, self._records))
            self._begun = self._records = 0

    def answered(self, error: KafkaError | None, message: Message) -> None:
        """Kafka's answer to the last record of a run."""
        if error is not None:
            self._failures.append(error)
            return
        run, before, offset = self._runs.popleft(), self._offset, message.offset()
        self._offset = offset
        if before is not None and offset is not None and offset < before + run.records:
            self._failures.append(
                f"{self.topic}, partition {message.partition()}, has {offset - before} records where {run.records} were sent"
            )
