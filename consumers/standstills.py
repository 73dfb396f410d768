"""How much stands still in the read models because it could not be applied, for Prometheus."""

from collections.abc import Sequence
from typing import Any

from prometheus_client import Gauge
from psycopg import Connection

from projections import parking
from projections.parking import Standstill

KEYS = Gauge(
    "tillstream_read_model_parked_keys",
    "Streams that stand still in the read model, in any of its generations. Every projector says the same: take the maximum.",
    ["read_model"],
)
SECONDS = Gauge(
    "tillstream_read_model_parked_seconds",
    "For how long the first of the read model's parked streams has stood still; 0 where none does.",
    ["read_model"],
)


class Standstills:
    """Keeps the gauges of these read models up to date."""

    def __init__(self, read_models: Sequence[str]) -> None:
        self._read_models = read_models

    def report(self, connection: Connection[Any]) -> None:
        """Look what is parked just now."""
        found = parking.standstills(connection)
        for read_model in self._read_models:
            streams, seconds = found.get(read_model, Standstill(0, 0.0))
            KEYS.labels(read_model).set(streams)
            SECONDS.labels(read_model).set(seconds)
