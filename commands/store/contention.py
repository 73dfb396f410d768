"""Which streams are contested: whoever comes to one of them queues up at once, and overtakes nobody who does."""

import time
from collections.abc import Iterable, Set

_CALM_SECONDS = 1.0  # A stream is calm again after so long without a conflict.
_AGAIN_SECONDS = 0.25  # Who comes back to a stream within that could keep all others away from it.
_MOST_STREAMS = 10_000  # A bound for memory only: what is forgotten costs one more conflict.


class Contention:
    """What this process has seen of conflicts, and what it could do to others.

    Others see their own: after one lost try each, all of them queue. Who never loses sees nothing, and asks the server.
    """

    def __init__(self) -> None:
        self._contested, self._written = _Lately(_CALM_SECONDS), _Lately(_AGAIN_SECONDS)

    def note(self, streams: Iterable[str]) -> None:
        """Somebody lost on these streams, or queues up for them."""
        self._contested.add(streams)

    def among(self, streams: Iterable[str]) -> bool:
        """Whether one of these streams had a conflict of late."""
        return bool(self._contested.among(streams))

    def wrote(self, streams: Iterable[str]) -> None:
        """This process wrote these streams."""
        self._written.add(streams)

    def again(self, streams: Iterable[str]) -> Set[str]:
        """Those of these streams that this process wrote just now."""
        return self._written.among(streams)


class _Lately:
    """Streams of which something was noted in the last so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def add(self, streams: Iterable[str]) -> None:
        now = time.monotonic()
        if len(self._until) >= _MOST_STREAMS:
            self._until = {stream: until for stream, until in self._until.items() if until > now}
        if len(self._until) < _MOST_STREAMS:
            self._until.update(dict.fromkeys(streams, now + self._seconds))

    def among(self, streams: Iterable[str]) -> Set[str]:
        now = time.monotonic()
        return {stream for stream in streams if self._until.get(stream, 0.0) > now}
