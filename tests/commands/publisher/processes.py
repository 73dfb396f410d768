"""The publisher as a process of its own, to be killed, frozen and read."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from eventlog.topics import TopicSettings
from sandbox.addresses import LOOPBACK, accepts_connections, free_port

_NUMBERS = count(1)


class PublisherProcess:
    """`python -m commands publisher`, started now."""

    def __init__(
        self,
        database_url: str,
        bootstrap_servers: str,
        topics: TopicSettings,
        folder: Path,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._metrics_port = free_port()
        self._log = folder / f"publisher-{next(_NUMBERS)}.log"
        everything = {
            **os.environ,
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": topics.prefix,
            "KAFKA_TOPIC_PARTITIONS": str(topics.partitions),
            "KAFKA_TOPIC_REPLICATION": str(topics.replication),
            "KAFKA_TOPIC_MIN_ISR": str(topics.min_isr),
            "TILLSTREAM_URL": "http://127.0.0.1:8000",
            "TILLSTREAM_METRICS_PORT": str(self._metrics_port),
            **(environment or {}),
        }
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "commands", "publisher", *arguments], env=everything, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def exit_status(self, within_seconds: float = 20) -> int:
        return self._process.wait(within_seconds)

    def events(self) -> Sequence[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def has_logged(self, event: str) -> bool:
        return any(entry["event"] == event for entry in self.events())

    def metric(self, name: str) -> float:
        """What it reports to Prometheus under a name."""
        wait_for(partial(accepts_connections, self._metrics_port), "the publisher serves its metrics")
        with urllib.request.urlopen(f"http://{LOOPBACK}:{self._metrics_port}/metrics", timeout=5) as answer:
            values = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
        return float(values[name])

    def text(self) -> str:
        return self._log.read_text()


def wait_for(condition: Callable[[], Any], what: str, within_seconds: float = 20) -> None:
    """Return once the condition holds; fail with a sentence if it does not in time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_seconds} s: {what}"
        time.sleep(0.02)
