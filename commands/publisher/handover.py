"""What numbering hands to sending directly: facts still in memory, so that they need not be read again."""

import threading
from collections import deque
from collections.abc import Sequence

from eventlog.numbered import Numbered


class Handover:
    """A short queue between two threads. What finds no room in it is not lost: the store has it."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._batches: deque[Sequence[Numbered]] = deque()
        self._size = 0
        self._newest = 0
        self._changed = threading.Condition()

    @property
    def newest(self) -> int:
        """The highest position that was ever offered; 0 at first."""
        return self._newest

    def offer(self, facts: Sequence[Numbered], patience_seconds: float = 0.0) -> None:
        """Facts that were just numbered, in order. Kept if there is room, for which we wait a little; wakes the other side."""
        with self._changed:
            has_room = self._changed.wait_for(lambda: self._size + len(facts) <= self._room, patience_seconds)
            self._newest = facts[-1].position
            if has_room:
                self._batches.append(facts)
                self._size += len(facts)
            self._changed.notify_all()

    def take(self, after: int) -> Sequence[Numbered]:
        """The facts that follow a position, as far as they are here; empty where others come first. Drops older ones."""
        with self._changed:
            while self._batches and self._batches[0][-1].position <= after:
                self._drop_first()
            if not self._batches or self._batches[0][0].position > after + 1:
                return ()
            facts = self._drop_first()
            return facts[after + 1 - facts[0].position :]

    def wait(self, after: int, timeout_seconds: float) -> None:
        """Return once something beyond a position was offered, or after the time-out."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest > after, timeout_seconds)

    def _drop_first(self) -> Sequence[Numbered]:
        facts = self._batches.popleft()
        self._size -= len(facts)
        self._changed.notify_all()
        return facts
