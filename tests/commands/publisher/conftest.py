"""A store to number, and the publisher as the process that users start."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from commands.publisher import epoch
from eventlog import numbered
from eventlog.topics import TopicSettings
from tests.commands.publisher.processes import PublisherProcess

Connect = Callable[[], Connection[Any]]


@pytest.fixture
def connect(database_url: str) -> Iterator[Connect]:
    """Connections to the test's database, as many as one likes."""
    with ExitStack() as undo:
        yield lambda: undo.enter_context(psycopg.connect(database_url, autocommit=True))


@pytest.fixture
def connection(connect: Connect) -> Connection[Any]:
    """A connection that numbering has prepared."""
    prepared = connect()
    numbered.prepare(prepared)
    return prepared


@pytest.fixture
def own_epoch(connection: Connection[Any]) -> int:
    """The epoch that counts."""
    return epoch.take(connection)


@pytest.fixture
def topic_settings(topic_prefix: str) -> TopicSettings:
    return TopicSettings(prefix=topic_prefix, partitions=4, replication=1, min_isr=1)


@pytest.fixture
def start_publisher(
    database_url: str, kafka_bootstrap: str, topic_settings: TopicSettings, tmp_path: Path
) -> Iterator[Callable[..., PublisherProcess]]:
    """Start `python -m commands publisher` on the test's store and topics; killed at the end at the latest."""
    with ExitStack() as undo:

        def start(
            *arguments: str,
            bootstrap_servers: str = kafka_bootstrap,
            settings: TopicSettings = topic_settings,
            **environment: str,
        ) -> PublisherProcess:
            process = PublisherProcess(database_url, bootstrap_servers, settings, tmp_path, arguments, environment)
            undo.callback(process.kill)
            return process

        yield start
