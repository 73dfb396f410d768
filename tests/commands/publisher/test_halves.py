"""The sending half where numbering is far ahead of it: what was numbered while Kafka was away is read from the store."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from psycopg import Connection

from commands.publisher import halves, sending
from commands.publisher.halves import SendingHalf
from commands.publisher.handover import Handover
from commands.publisher.numbering import number
from commands.publisher.sending import Sender
from eventlog import topics
from eventlog.numbered import Numbered
from eventlog.topics import TopicSettings
from runtime import kafka
from tests.commands.publisher.writing import write


@pytest.fixture
def backlog(connection: Connection[Any], own_epoch: int, topic_settings: TopicSettings) -> Sequence[Numbered]:
    """Thirty facts, numbered by nobody whom this process knows."""
    for version in range(1, 31):
        write(connection, ("pay_1", version))
    return number(connection, topic_settings.partitions, 100, own_epoch)


@pytest.fixture
def sender(kafka_bootstrap: str, topic_settings: TopicSettings) -> Iterator[Sender]:
    topics.ensure(kafka.admin(kafka_bootstrap), topic_settings)
    producer = sending.producer(kafka_bootstrap)
    opened = Sender(producer, prefix=topic_settings.prefix, service_url="http://127.0.0.1:1", after=0, tails=())
    yield opened
    opened.close()


@pytest.mark.timeout(60)
def test_a_backlog_is_read_on_and_on_without_a_pause_between_its_batches(
    backlog: Sequence[Numbered],
    sender: Sender,
    connection: Connection[Any],
    own_epoch: int,
    topic_settings: TopicSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(halves, "BATCH", 4)
    monkeypatch.setattr(halves, "_LOOK_SECONDS", 3_600.0)  # Whoever paused between two batches would never end.
    half = SendingHalf(connection, own_epoch, topic_settings.partitions, sender, Handover(room=100))

    half.run(lambda: sender.handed == len(backlog))

    assert sender.acknowledged == len(backlog)
