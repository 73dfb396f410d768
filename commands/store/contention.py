"""Which streams had rivals of late: whoever comes to one of them queues up at once, and overtakes nobody who does."""

import time
from collections.abc import Iterable

_CALM_SECONDS = 1.0  # A stream is calm again after so long without a conflict.
_MOST_STREAMS = 10_000  # A bound for memory only: what is forgotten costs one more conflict.


class Contention:
    """What this process has seen of conflicts. Others see their own: after one lost try each, all of them queue."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def note(self, streams: Iterable[str]) -> None:
        """Somebody lost on these streams."""
        now = time.monotonic()
        if len(self._until) >= _MOST_STREAMS:
            self._until = {stream: until for stream, until in self._until.items() if until > now}
        if len(self._until) < _MOST_STREAMS:
            self._until.update(dict.fromkeys(streams, now + _CALM_SECONDS))

    def among(self, streams: Iterable[str]) -> bool:
        """Whether one of these streams had a conflict of late."""
        now = time.monotonic()
        return any(self._until.get(stream, 0.0) > now for stream in streams)
