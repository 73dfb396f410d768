"""Ending what takes too long: one timer for all that is under way, set for whoever began first."""

import asyncio
import time
from typing import Any


class Watch:
    """A task that is under way since `began` (`time.perf_counter`)."""

    __slots__ = ("_cancelling", "_task", "began")

    def __init__(self, began: float) -> None:
        self.began = began
        self._task: asyncio.Task[Any] | None = asyncio.current_task()
        self._cancelling: int | None = None

    def expire(self) -> None:
        assert self._task is not None, "what can be awaited is awaited in a task"
        self._cancelling = self._task.cancelling()
        self._task.cancel()

    def ended_it(self) -> bool:
        """Whether it was us alone who canceled the task, which goes on then."""
        return self._cancelling is not None and self._task is not None and self._task.uncancel() <= self._cancelling


class Deadlines:
    """As `asyncio.timeout`, with one timer for thousands of tasks instead of one for each."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watches: dict[Watch, None] = {}  # In the order in which they began.
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, watch: Watch) -> None:
        """Cancel its task once it took too long, unless it has come to its `end`."""
        self._watches[watch] = None
        if self._timer is None:
            self._set_timer(watch)

    def end(self, watch: Watch) -> None:
        self._watches.pop(watch, None)

    def _look(self) -> None:
        self._timer, now = None, time.perf_counter()
        for watch in list(self._watches):
            if watch.began + self._seconds > now:
                self._set_timer(watch)
                break
            self.end(watch)
            watch.expire()

    def _set_timer(self, oldest: Watch) -> None:
        left = oldest.began + self._seconds - time.perf_counter()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, left), self._look)
