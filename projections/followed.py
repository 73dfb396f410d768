"""Which topics the read models follow. Their places in the log are places in these, and mean nothing in others."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection

from eventlog.topics import TopicIdentity

_NOTE = b"""
    INSERT INTO read.topics (topic, name, id, partitions)
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[])
"""
_INSTEAD = (
    b"ON CONFLICT (topic) DO UPDATE SET (name, id, partitions) = (excluded.name, excluded.id, excluded.partitions)"
)


class OtherTopics(Exception):
    """The read models stand at places in other topics than these."""

    def __init__(self, followed: TopicIdentity, found: TopicIdentity) -> None:
        super().__init__(
            f"The read models follow the topic {followed.name} ({followed.id or 'on the way to others'}), and this is"
            f" {found.name} ({found.id}): another one, in which their places mean nothing. If the facts are to be read here"
            " from now on, since they were republished or Kafka was lost, run `python -m projections move` with this"
            " environment; otherwise set KAFKA_BOOTSTRAP_SERVERS and KAFKA_TOPIC_PREFIX back to what they were."
        )


def load(connection: Connection[Any]) -> Mapping[str, TopicIdentity]:
    """The topics that are followed, by their logical names; none where nothing was ever read."""
    rows = connection.execute("SELECT topic, name, id, partitions FROM read.topics ORDER BY topic").fetchall()
    return {topic: TopicIdentity(*identity) for topic, *identity in rows}


def agree(connection: Connection[Any], found: Mapping[str, TopicIdentity]) -> None:
    """Return if it is these topics that are followed; where none were until now, they are. Raises `OtherTopics`."""
    connection.execute(_NOTE + b" ON CONFLICT DO NOTHING", _columns(found))
    followed = load(connection)
    for topic, identity in found.items():
        if followed[topic].id != identity.id:
            raise OtherTopics(followed[topic], identity)


def leave(connection: Connection[Any]) -> None:
    """Let nobody read on until `arrive`."""
    connection.execute("UPDATE read.topics SET id = ''")


def arrive(connection: Connection[Any], found: Mapping[str, TopicIdentity]) -> None:
    """Let these topics be followed."""
    connection.execute(_NOTE + _INSTEAD, _columns(found))


def _columns(found: Mapping[str, TopicIdentity]) -> Sequence[Sequence[object]]:
    rows = [(topic, *identity) for topic, identity in sorted(found.items())]
    return [list(column) for column in zip(*rows, strict=True)]
