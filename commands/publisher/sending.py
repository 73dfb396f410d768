"""Sending: numbered facts go to Kafka in order, and it is known up to which position Kafka has acknowledged everything."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from commands.publisher.facts import Numbered
from commands.publisher.tails import Tail
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
    return kafka.producer(bootstrap_servers, **(ours | config))


class Sender:
    """One producer, and what of the log it was given, from `after` on. `tails`: what Kafka has is not sent again."""

    def __init__(self, producer: Producer, *, prefix: str, service_url: str, after: int, tails: Iterable[Tail]) -> None:
        self._producer = producer
        self._prefix = prefix
        self._service_url = service_url
        self._tails = {(tail.topic, tail.partition): tail.position for tail in tails}
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._failures: list[KafkaError] = []
        self.handed = after
        self.is_full = False

    @property
    def acknowledged(self) -> int:
        """The position up to which Kafka has everything."""
        return min((lane.pending[0] - 1 for lane in self._lanes.values() if lane.pending), default=self.handed)

    @property
    def is_idle(self) -> bool:
        """Whether everything handed to Kafka is acknowledged."""
        return not any(lane.pending for lane in self._lanes.values())

    def hand_over(self, facts: Sequence[Numbered]) -> None:
        """Give facts to Kafka, in order, as many as there is room for; `handed` says how far it came.

        Raises `DeliveryFailed`.
        """
        for fact in facts:
            try:
                self._produce(fact)
            except BufferError:
                self.is_full = True
                return
            self.handed = fact.position

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

    def _produce(self, fact: Numbered) -> None:
        lane = self._lane(fact.envelope.topic, fact.partition)
        if fact.position <= lane.tail:
            return
        try:
            self._producer.produce(
                lane.topic,
                fact.value,
                fact.envelope.stream,
                fact.partition,
                on_delivery=lane.answered,
                headers=self._headers(fact),
            )
        except KafkaException as error:
            raise DeliveryFailed(error.args[0]) from error
        lane.pending.append(fact.position)

    def _headers(self, fact: Numbered) -> Any:  # Pairs of text and bytes; the client's stubs want them wider.
        return cloudevents.headers(
            fact.envelope,
            position=fact.position,
            previous_hash=fact.previous_hash,
            hash=fact.hash,
            value=fact.value,
            service_url=self._service_url,
        )

    def _lane(self, topic: str, partition: int) -> "_Lane":
        lane = self._lanes.get((topic, partition))
        if lane is None:
            tail = self._tails.get((topic, partition), 0)
            lane = self._lanes[topic, partition] = _Lane(full_name(self._prefix, topic), tail, self._failures)
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


class _Lane:
    """One partition: the positions under way in it. Kafka answers in order, since the producer is idempotent."""

    __slots__ = ("_failures", "pending", "tail", "topic")

    def __init__(self, topic: str, tail: int, failures: list[KafkaError]) -> None:
        self.topic = topic
        self.tail = tail
        self.pending: deque[int] = deque()
        self._failures = failures

    def answered(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.pending.popleft()
        else:
            self._failures.append(error)
