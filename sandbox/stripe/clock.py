"""The look-alike's clock: the time of day, plus what a test has added to it."""

import time
from datetime import UTC, datetime

from sandbox.stripe.store import Store


class Clock:
    """Seconds since 1970. Kept with the data, so that a restart does not turn time back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.offset_seconds = float(store.note("clock_offset_seconds") or 0)

    def now(self) -> float:
        return time.time() + self.offset_seconds

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
