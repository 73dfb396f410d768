"""The look-alike's clock: the time of day, plus what a test has added to it; and what a test clock shows instead."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sandbox.stripe.store import Store


class Clock:
    """Seconds since 1970. Kept with the data, so that a restart does not turn time back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.offset_seconds = float(store.note("clock_offset_seconds") or 0)
        self._standing: float | None = None
        self._frozen: float | None = None

    def now(self) -> float:
        """What a test clock shows, within `frozen_at`; else the account's own time."""
        return self.wall() if self._frozen is None else self._frozen

    def wall(self) -> float:
        """The account's own time, whatever a test clock shows."""
        return time.time() + self.offset_seconds if self._standing is None else self._standing

    def second(self) -> int:
        return int(self.now())

    def month(self) -> tuple[int, int]:
        """This year and month (UTC)."""
        today = datetime.fromtimestamp(self.now(), UTC)
        return today.year, today.month

    def set_offset(self, seconds: float) -> None:
        """How far the clock stands before (or behind) the time of day."""
        self._store.write_note("clock_offset_seconds", str(seconds))
        self.offset_seconds = seconds

    def move_to(self, moment: float) -> None:
        """Forward only: a moment that has passed changes nothing."""
        ahead = moment - time.time()
        if ahead > self.offset_seconds:
            self.set_offset(ahead)

    @contextmanager
    def standing_at(self, moment: float) -> Iterator[None]:
        """What was due at that moment is done as if it were that moment, however late it is."""
        before, self._standing = self._standing, moment
        try:
            yield
        finally:
            self._standing = before

    @contextmanager
    def frozen_at(self, moment: float) -> Iterator[None]:
        """Inside, `now` is what a test clock shows."""
        before, self._frozen = self._frozen, moment
        try:
            yield
        finally:
            self._frozen = before
