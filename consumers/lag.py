"""How far behind the log the read models of this projector are: in positions and in seconds, for Prometheus."""

import time
from collections.abc import Mapping, Sequence

from prometheus_client import Counter, Gauge

from eventlog.log import Batch, Source
from projections.checkpoints import Checkpoints

APPLIED = Counter("tillstream_projector_facts", "Facts read and applied to all generations that lacked them.")
SOURCES = Gauge("tillstream_projector_sources", "Partitions that this projector takes care of.")
POSITIONS = Gauge(
    "tillstream_read_model_lag_positions",
    "Facts in this projector's partitions that the read model does not show yet. Sum over projectors.",
    ["read_model"],
)
SECONDS = Gauge(
    "tillstream_read_model_lag_seconds",
    "Age of the newest fact shown, while others wait to be shown; 0 once all are. Take the maximum over projectors.",
    ["read_model"],
)


class Lag:
    """Keeps the gauges up to date. `report` costs little, so that it can follow every reading."""

    def __init__(self) -> None:
        self._newest: dict[Source, float] = {}

    def applied(self, batches: Sequence[Batch]) -> None:
        """These batches are shown now."""
        for batch in batches:
            APPLIED.inc(len(batch.facts))
            self._newest[batch.source] = batch.facts[-1].recorded_at.timestamp()

    def report(self, held: Checkpoints, ends: Mapping[Source, int]) -> None:
        """Compare where read models stand with where their sources end."""
        SOURCES.set(len({source for places in held.values() for source in places}))
        now = time.time()
        for generation, places in held.items():
            waiting = {source: ends[source] - place.next_offset for source, place in places.items() if source in ends}
            behind = [source for source, count in waiting.items() if count > 0]
            # Of a source from which nothing was shown yet it is not known how old it is: it counts from when it is.
            ages = [now - self._newest[source] for source in behind if source in self._newest]
            POSITIONS.labels(generation.model.name).set(sum(count for count in waiting.values() if count > 0))
            SECONDS.labels(generation.model.name).set(max(ages, default=0.0))
