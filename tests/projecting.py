"""The projector and the replay, on a test's database and topics."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from typer.testing import CliRunner

from projections.__main__ import app
from tests.published import PARTITIONS

_WITHIN_SECONDS = 60


def environment(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> Mapping[str, str]:
    """What the processes read, with the topics as `make_topics` makes them."""
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "KAFKA_TOPIC_PARTITIONS": str(PARTITIONS),
        "KAFKA_TOPIC_REPLICATION": "1",
        "KAFKA_TOPIC_MIN_ISR": "1",
    }


class ProjectorProcess:
    """`python -m consumers projector`, or another program that is one, with what it says."""

    def __init__(self, environment: Mapping[str, str], log: Path, program: Sequence[str]) -> None:
        self._log = log
        with log.open("wb") as output:
            command = [sys.executable, "-m", *program]
            self._process = subprocess.Popen(command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)

    def wait_until_it_says(self, words: str) -> None:
        wait_until(lambda: words in self.said() or self._process.poll() is not None)
        assert words in self.said(), self.said()

    def said(self) -> str:
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(_WITHIN_SECONDS)

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def projector(
    environment: Mapping[str, str], log: Path, program: Sequence[str] = ("consumers", "projector")
) -> Iterator[ProjectorProcess]:
    """A projector that is killed at the end, if it has not ended by then."""
    process = ProjectorProcess(environment, log, program)
    try:
        yield process
    finally:
        process.kill()


class Done(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


def replay(environment: Mapping[str, str], reports: Path, *arguments: str) -> Done:
    """`python -m projections replay …`, without the start of a process."""
    return projections(environment, "replay", *arguments, "--report", str(reports))


def projections(environment: Mapping[str, str], *arguments: str) -> Done:
    """`python -m projections …`, without the start of a process."""
    result = CliRunner().invoke(app, arguments, env=dict(environment))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


@contextmanager
def process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that is killed at the end, if it has not ended by then."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(holds: Callable[[], bool], within_seconds: float = _WITHIN_SECONDS) -> None:
    """Look again and again. Fails if it does not hold in time."""
    deadline = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.05)


def ask(database_url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query; none where its tables are not there yet."""
    with psycopg.connect(database_url) as connection:
        try:
            return connection.execute(query.encode()).fetchall()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return []
