"""Requests are counted, and how long they took, as Prometheus wants it."""

from prometheus_client import CollectorRegistry, generate_latest

from api.figures import RequestFigures


def test_requests_are_counted_and_timed_by_route() -> None:
    registry, figures = CollectorRegistry(), RequestFigures()
    registry.register(figures)
    for status, seconds in ((200, 0.0009), (200, 0.001), (404, 0.3), (200, 31.0)):
        figures.count("GET", "/things/{id}", status, seconds)

    labels = {"method": "GET", "route": "/things/{id}"}
    value = registry.get_sample_value
    assert value("tillstream_http_requests_total", {**labels, "status": "200"}) == 3
    assert value("tillstream_http_requests_total", {**labels, "status": "404"}) == 1
    buckets = {
        le: value("tillstream_http_request_seconds_bucket", {**labels, "le": le})
        for le in ("0.001", "0.5", "30.0", "+Inf")
    }
    assert buckets == {"0.001": 2, "0.5": 3, "30.0": 3, "+Inf": 4}
    assert value("tillstream_http_request_seconds_count", labels) == 4
    assert value("tillstream_http_request_seconds_sum", labels) == 31.3019
    assert b"# TYPE tillstream_http_requests_total counter" in generate_latest(registry)
