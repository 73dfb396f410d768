"""How far publishing has come, as metrics. First of all: the time between a fact's commit and Kafka's acknowledgement."""

from collections import deque
from datetime import UTC, datetime
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

LEADING = Gauge("tillstream_publisher_leading", "1 where this publisher leads, 0 where it is a spare.")
PUBLISHED = Counter("tillstream_published", "Facts that Kafka acknowledged.")
LAG_POSITIONS = Gauge("tillstream_publish_lag_positions", "Facts that are numbered and not yet acknowledged by Kafka.")
LAG_SECONDS = Gauge(
    "tillstream_publish_lag_seconds", "Age of the oldest fact that was handed to Kafka and not acknowledged."
)
PUBLISH_SECONDS = Histogram(
    "tillstream_publish_seconds",
    "From the commit of a fact to Kafka's acknowledgement; of each batch, its first fact.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800),
)


class _Batch(NamedTuple):
    last: int
    oldest: datetime


class Progress:
    """What is under way, batch by batch."""

    def __init__(self, acknowledged: int) -> None:
        self.acknowledged = acknowledged
        self._under_way: deque[_Batch] = deque()

    def handed(self, last: int, oldest: datetime) -> None:
        """A batch that ends at position `last` is on its way to Kafka."""
        self._under_way.append(_Batch(last, oldest))

    def advance(self, acknowledged: int, newest: int) -> None:
        """Kafka has everything up to `acknowledged`; `newest` is the log's end."""
        now = datetime.now(UTC)
        PUBLISHED.inc(acknowledged - self.acknowledged)
        self.acknowledged = acknowledged
        while self._under_way and self._under_way[0].last <= acknowledged:
            PUBLISH_SECONDS.observe((now - self._under_way.popleft().oldest).total_seconds())
        oldest = self._under_way[0].oldest if self._under_way else now
        LAG_SECONDS.set((now - oldest).total_seconds())
        LAG_POSITIONS.set(max(0, newest - acknowledged))
