"""Kafka: clients with our settings, the wait at the start, and a sentence where the broker does not answer."""

import logging
import time
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

log = structlog.get_logger()

SAY_AGAIN_AFTER_SECONDS = 60.0


class KafkaUnreachable(Exception):
    """Kafka did not answer in time. The message says where it was looked for and how to start it."""

    def __init__(self, bootstrap_servers: str, error: Exception) -> None:
        super().__init__(
            f"Kafka does not answer at {bootstrap_servers} ({error!s}). Start it (`make up` starts one,"
            " `python -m sandbox kafka` one alone) or set KAFKA_BOOTSTRAP_SERVERS."
        )


class _Seldom(logging.Filter):
    """Lets a trouble through when it begins and once a minute while it lasts: an operator is to know, not to scroll.

    librdkafka reports every attempt to connect, twenty a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        trouble = record.getMessage().partition(" (after ")[0]
        now = time.monotonic()
        if now - self._said.get(trouble, -SAY_AGAIN_AFTER_SECONDS) < SAY_AGAIN_AFTER_SECONDS:
            return False
        self._said[trouble] = now
        return True


_LIBRARY_LOG = logging.getLogger("librdkafka")
_LIBRARY_LOG.addFilter(_Seldom())


def producer(bootstrap_servers: str, **config: Any) -> Producer:
    """A producer. `config` holds librdkafka's settings, with `_` for `.`: `linger_ms=0`."""
    return Producer(_config(bootstrap_servers, config))


def consumer(bootstrap_servers: str, **config: Any) -> Consumer:
    """A consumer. `config` holds librdkafka's settings, with `_` for `.`: `group_id="projector"`."""
    # A partition of which enough waits is not asked for more for a whole second as it comes, and a reader waits that out.
    return Consumer(_config(bootstrap_servers, {"fetch_queue_backoff_ms": 5, **config}))


def admin(bootstrap_servers: str) -> AdminClient:
    """A client for topics and their settings."""
    return AdminClient(_config(bootstrap_servers, {}))


def wait_until_ready(bootstrap_servers: str, timeout_seconds: float = 30.0) -> None:
    """Return once Kafka answers; say so if it does not, and raise `KafkaUnreachable` if it does not in time."""
    client = admin(bootstrap_servers)
    deadline = time.monotonic() + timeout_seconds
    said = False
    while True:
        try:
            client.list_topics(timeout=max(0.1, min(2.0, deadline - time.monotonic())))
            return
        except KafkaException as error:
            unreachable = KafkaUnreachable(bootstrap_servers, error)
            if time.monotonic() >= deadline:
                raise unreachable from error
            if not said:
                log.warning("waiting", reason=str(unreachable), at_most_seconds=timeout_seconds)
                said = True
            time.sleep(0.1)


def _config(bootstrap_servers: str, config: dict[str, Any]) -> dict[str, Any]:
    ours = {
        "bootstrap.servers": bootstrap_servers,
        "client.id": "tillstream",
        "reconnect.backoff.max.ms": 1000,  # Ten seconds by default: long after Kafka is back.
        "log_level": 3,  # Errors. Warnings are about settings that we chose on purpose.
        "logger": _LIBRARY_LOG,
    }
    return ours | {_dotted(name): value for name, value in config.items()}


def _dotted(name: str) -> str:
    """librdkafka's own name of a setting. Callbacks keep theirs: `error_cb`, `on_commit`."""
    return name if name.endswith("_cb") or name.startswith("on_") else name.replace("_", ".")
