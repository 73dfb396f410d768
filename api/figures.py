"""How many requests there were and how long they took, by route: counted for every request, so counted cheaply."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LABELS = (*map(str, _BOUNDS), "+Inf")


class _Durations:
    """Requests of one route: how many took up to each bound and longer than the one before, and all their seconds."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * len(_LABELS)
        self.seconds = 0.0


class RequestFigures(Collector):
    """For an event loop's thread alone. Prometheus's own counters take a lock for each request, and look its labels up."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], _Durations] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template, and `method` one of a few: each new one is a series for ever."""
        answered = method, route, status
        self._requests[answered] = self._requests.get(answered, 0) + 1
        durations = self._durations.get((method, route))
        if durations is None:
            durations = self._durations[method, route] = _Durations()
        durations.counts[bisect_left(_BOUNDS, seconds)] += 1
        durations.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "tillstream_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for (method, route, status), number in self._requests.items():
            requests.add_metric((method, route, str(status)), number)
        seconds = HistogramMetricFamily(
            "tillstream_http_request_seconds",
            "From a request's first byte to its answer's last.",
            labels=("method", "route"),
        )
        for labels, durations in self._durations.items():
            seconds.add_metric(labels, _buckets(durations.counts), durations.seconds)
        yield from (requests, seconds)


def _buckets(counts: Iterable[int]) -> list[tuple[str, float]]:
    return list(zip(_LABELS, map(float, accumulate(counts)), strict=True))


FIGURES = RequestFigures()
REGISTRY.register(FIGURES)
