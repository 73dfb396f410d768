"""Metrics of processes that serve no HTTP otherwise: one small endpoint for Prometheus."""

from collections.abc import Callable

import prometheus_client


class MetricsPortTaken(Exception):
    """The port for metrics is in use. The message names the variable to change."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"Metrics cannot be served at {host}:{port} ({error!s}). Set TILLSTREAM_METRICS_PORT, or 0 for none."
        )


def serve(port: int, host: str = "127.0.0.1") -> Callable[[], None]:
    """Answer `GET /metrics` from a thread of its own; port 0 = not at all. Returns what ends it.

    Raises `MetricsPortTaken`.
    """
    if port == 0:
        return lambda: None
    try:
        server, thread = prometheus_client.start_http_server(port, host)
    except OSError as error:
        raise MetricsPortTaken(host, port, error) from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
