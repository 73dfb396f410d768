"""The two halves of a publisher at work. Each owns a thread and its connections, so neither waits for the other."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from psycopg import Connection

from commands.publisher import epoch as epochs
from commands.publisher import facts, numbering
from commands.publisher.handover import Handover
from commands.publisher.progress import Progress
from commands.publisher.sending import Sender
from eventlog import numbered
from eventlog.numbered import Numbered

CHANNEL = "tillstream_recorded"  # The store notifies it after its commits.
BATCH = 2_000
_BATCHES = 2  # A backlog is numbered in commits of so many.

_LOOK_SECONDS = 0.25  # A look without being woken: for what was recorded when nobody could wake us.
_ANSWER_SECONDS = 0.05  # How long Kafka's answers are waited for before looking elsewhere again.
_CHECKPOINT_SECONDS = 0.1
_LAST_ANSWERS_SECONDS = 5.0
_ROOM_SECONDS = 0.1  # How long numbering waits for sending to take what it has: longer, and Kafka is away.

Ended = Callable[[], bool]


class NumberingHalf:
    """Numbers what is recorded as soon as it is. Needs Postgres alone."""

    def __init__(
        self, connection: Connection[Any], listening: Connection[Any], epoch: int, partitions: int, handover: Handover
    ) -> None:
        self._connection = connection
        self._listening = listening
        self._epoch = epoch
        self._partitions = partitions
        self._handover = handover

    def run(self, ended: Ended) -> None:
        """Work until it is ended. Raises `epoch.Fenced`, `psycopg.OperationalError`."""
        numbered.prepare(self._connection)
        self._listening.execute(f"LISTEN {CHANNEL}".encode())
        while not ended():
            self._number_all(ended)
            for _ in self._listening.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                pass  # However many wake us: one look finds everything.

    def _number_all(self, ended: Ended) -> None:
        while not ended() and numbering.is_due(self._connection):
            if batch := self._number():
                self._handover.offer(batch, _ROOM_SECONDS)

    def _number(self) -> Sequence[Numbered]:
        return numbering.number(self._connection, self._partitions, BATCH, self._epoch, batches=_BATCHES)


class SendingHalf:
    """Sends what is numbered, and notes how far Kafka has acknowledged it."""

    def __init__(
        self, connection: Connection[Any], epoch: int, partitions: int, sender: Sender, handover: Handover
    ) -> None:
        self._connection = connection
        self._epoch = epoch
        self._partitions = partitions
        self._sender = sender
        self._handover = handover
        self._progress = Progress(sender.handed)
        self._in_hand: Sequence[Numbered] = ()
        self._noted = sender.handed
        self._noted_at = self._look_again_at = 0.0

    def run(self, ended: Ended) -> None:
        """Work until it is ended, then wait a little for Kafka's last answers.

        Raises `DeliveryFailed`, `epoch.Fenced`, `psycopg.OperationalError`.
        """
        numbered.prepare(self._connection)
        self._connection.execute("SET synchronous_commit = off")  # A lost checkpoint is found again in Kafka.
        while not ended():
            self._send_next()
            self._note_checkpoint()
        self._sender.flush(_LAST_ANSWERS_SECONDS)
        self._noted_at = 0.0
        self._note_checkpoint()

    def _send_next(self) -> None:
        """Send a batch, or wait: for room, for Kafka's answers, for something to send."""
        if self._sender.is_full:
            self._sender.settle(_ANSWER_SECONDS)
        elif batch := self._in_hand or self._next():
            self._send(batch)
        elif not self._sender.is_idle:
            self._sender.flush(_ANSWER_SECONDS)
        else:
            self._handover.wait(self._sender.handed, _CHECKPOINT_SECONDS)

    def _send(self, batch: Sequence[Numbered]) -> None:
        count = self._sender.hand_over(batch)
        self._in_hand = batch[count:]
        if count:
            self._progress.handed(self._sender.handed, batch[0].recorded_at)
        self._sender.settle(0)

    def _next(self) -> Sequence[Numbered]:
        """What follows: from memory, or from the store where numbering is ahead of us or others number too."""
        after = self._sender.handed
        if batch := self._handover.take(after):
            return batch
        if self._handover.newest <= after and time.monotonic() < self._look_again_at:
            return ()
        batch = facts.read(self._connection, after, BATCH, self._partitions)
        # Where there are some, there may be more: those are looked for at once.
        self._look_again_at = 0.0 if batch else time.monotonic() + _LOOK_SECONDS
        return batch

    def _note_checkpoint(self) -> None:
        acknowledged = self._sender.acknowledged
        self._progress.advance(acknowledged, max(self._handover.newest, self._sender.handed))
        if acknowledged > self._noted and time.monotonic() >= self._noted_at + _CHECKPOINT_SECONDS:
            epochs.note_checkpoint(self._connection, self._epoch, acknowledged)
            self._noted, self._noted_at = acknowledged, time.monotonic()
