"""A log of a million facts and more, made in minutes: copied into the store, numbered and sent by the publisher's own code."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection

from benchmarks import workload
from benchmarks.servers import PARTITIONS, Servers, wait_until
from commands.publisher import numbering
from commands.store.rows import EventRow, Write
from eventlog import numbered
from eventlog.topics import TopicSettings

_WRITES_AT_ONCE = 5_000
_NUMBERED_AT_ONCE = 5_000
_SENT_WITHIN_SECONDS = 3_600

_EVENTS = """
    COPY store.events (stream, version, topic, type, event_id, command_id, project_id, actor, request_id, correlation_id,
                       causation_id, schema_id, payload, recorded_at) FROM STDIN (FORMAT BINARY)
"""
_EVENT_TYPES = "text int4 text text uuid uuid text text text text text int4 bytea timestamptz".split()
_OUTBOX = "COPY store.outbox (command_id, stream, version) FROM STDIN (FORMAT BINARY)"
_OUTBOX_TYPES = "uuid text int4".split()


class LongLog(NamedTuple):
    """A log in the store and in Kafka. Positions count to `facts`."""

    database_url: str
    topics: TopicSettings
    facts: int


@contextmanager
def long_log(servers: Servers, facts: int, compression: str = "none") -> Iterator[LongLog]:
    """The lives of payments, at least so many facts of them, and the shop that they are of."""
    with servers.database() as database_url, servers.topics() as topics:
        count = record(database_url, facts)
        with (
            servers.publisher(database_url, topics, compression),
            psycopg.connect(database_url, autocommit=True) as connection,
        ):
            asked = "SELECT FROM store.publisher WHERE published >= %s"
            wait_until(
                lambda: connection.execute(asked, [count]).fetchone() is not None,
                "the log is published",
                within_seconds=_SENT_WITHIN_SECONDS,
            )
        yield LongLog(database_url, topics, count)


def record(database_url: str, facts: int) -> int:
    """Record and number at least so many facts. Returns how many there are.

    What commands leave besides (inbox, outside ids, deadlines) is not there: nothing that reads the log looks at it.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        numbered.prepare(connection)
        workload.record_project(connection)
        commands, count = workload.commands(facts), 0
        while count < facts:
            writes = list(islice(commands, _WRITES_AT_ONCE))
            _copy(connection, writes)
            while some := numbering.number(connection, PARTITIONS, _NUMBERED_AT_ONCE):
                count = some[-1].position
        connection.execute("VACUUM (ANALYZE)")
        return count


def _copy(connection: Connection[Any], writes: list[Write]) -> None:
    facts = [(write, event) for write in writes for event in write.events]
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(_EVENTS) as copy:
            copy.set_types(_EVENT_TYPES)
            for write, event in facts:
                copy.write_row(_columns(write, event))
        with cursor.copy(_OUTBOX) as copy:
            copy.set_types(_OUTBOX_TYPES)
            for write, event in facts:
                copy.write_row((write.context.command_id, event.stream, event.version))


def _columns(write: Write, event: EventRow) -> tuple[Any, ...]:
    asked = write.context
    return (
        *(event.stream, event.version, event.topic, event.type, event.event_id),
        *(asked.command_id, asked.project_id, asked.actor, asked.request_id, asked.request_id, asked.causation_id),
        *(event.schema_id, event.payload, asked.now),
    )
