"""The metrics endpoint of processes without HTTP."""

import socket
import urllib.request

import pytest
from prometheus_client import Gauge

from runtime import metrics
from runtime.metrics import MetricsPortTaken
from sandbox.addresses import LOOPBACK, free_port

GAUGE = Gauge("tillstream_test_answer", "What a test set.")


def test_metrics_are_served_at_the_port() -> None:
    port = free_port()
    GAUGE.set(42)

    stop = metrics.serve(port)
    body = urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5).read().decode()
    stop()

    assert "tillstream_test_answer 42.0" in body


def test_port_0_serves_nothing() -> None:
    metrics.serve(0)()


def test_a_port_in_use_is_told_with_the_variable_to_change() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, pytest.raises(MetricsPortTaken, match="TILLSTREAM_METRICS_PORT"):
        metrics.serve(taken.getsockname()[1])
