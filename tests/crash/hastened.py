"""What lasts shorter here than in production, so that in a run of seconds sessions end and zombies wake up many times."""

import functools
import importlib
from collections.abc import Callable
from typing import Any

SESSION_SECONDS = 2.0  # A projector's in its group; brokers allow no less than 6 s as they come.
PATIENCE_SECONDS = 2.5  # Postgres's with a leader that shows no life.
_TRANSACTION_SECONDS = 5.0  # Postgres's with a transaction of the publisher's or a projector's.

BROKER = {
    "group.min.session.timeout.ms": "1000",
    # The same for groups of the newer protocol (KIP-848), where the broker sets it.
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": f"{SESSION_SECONDS * 1000:.0f}",
    "group.consumer.min.heartbeat.interval.ms": "250",
    "group.consumer.heartbeat.interval.ms": "500",
    # A broker that was killed may register again only when its old session has ended.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
}


def hasten() -> None:
    """Shorten them in this process, before it begins. Raises AssertionError where something is not there any more."""
    consumer = importlib.import_module("eventlog.kafka")._CONSUMER
    assert "session_timeout_ms" in consumer, "the projector's session is set elsewhere now"
    consumer["session_timeout_ms"] = int(SESSION_SECONDS * 1000)
    leadership = importlib.import_module("runtime.leadership")
    assert leadership.wait.__defaults__ == (10.0,), "the patience with leaders is given elsewhere now"
    leadership.wait.__defaults__ = (PATIENCE_SECONDS,)
    publisher: Any = importlib.import_module("commands.publisher.publisher")
    assert publisher._PATIENCE_SECONDS > _TRANSACTION_SECONDS, "the patience with publishers is given elsewhere now"
    publisher._PATIENCE_SECONDS = _TRANSACTION_SECONDS
    folding: Any = importlib.import_module("projections.folding")
    folding.connect = _with_less_patience(folding.connect)


def _with_less_patience(connect: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(connect)
    def hastened(database_url: str, name: str, patience_seconds: float | None = None) -> Any:
        return connect(database_url, name, patience_seconds and _TRANSACTION_SECONDS)

    return hastened
