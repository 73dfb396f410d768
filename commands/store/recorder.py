"""The event store as the eventsourcing library sees it: its recorder over the same tables and the same append statement.

What differs from the library's stock recorder, and why:

- Notification ids are positions, given by numbering, not by a sequence at the insert. No table lock is needed for readers
  to miss nothing, and `insert_events` knows no ids: it answers None, unless the recorder was built to `number_at_once`.
- Versions in the tables count from 1 (`first_version` says from where the application counts its own) and fit 32 bits.
- Originator ids come back as text: `pay_…`. A UUID is taken, and is the same stream as its text.
- Topics are the stable type names of `schemas.names`, never Python paths; `mapper.FactMapper` makes them.
- Subscriptions poll. Nothing tells when a position is given, for numbering is off every writer's path.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    DatabaseError,
    IntegrityError,
    Notification,
    OperationalError,
    StoredEvent,
    Subscription,
)
from psycopg import Connection
from psycopg_pool import ConnectionPool
from uuid_utils.compat import uuid7

from commands.ports import Context, Deadline
from commands.publisher import numbering
from commands.store.append import PLAIN, parameters
from commands.store.deadlines import due_times
from commands.store.outcome import Outcome
from commands.store.refs import refs
from commands.store.rows import EventRow, Write
from eventlog.numbered import prepare
from schemas import codec, names

_MOST = 2**31 - 1
_NUMBERED_AT_A_TIME = 2_000
_POLL_SECONDS = 0.05

_EVENTS = "SELECT version, type, payload FROM store.events WHERE stream = %s AND version > %s AND version <= %s"
_OLDEST_FIRST = _EVENTS + " ORDER BY version LIMIT %s"
_NEWEST_FIRST = _EVENTS + " ORDER BY version DESC LIMIT %s"


class Recorder(ApplicationRecorder):
    """Records an application's events as facts of one project. Raises the library's own errors; safe for threads."""

    def __init__(
        self,
        pool: ConnectionPool[Connection[Any]],
        *,
        project_id: str,
        actor: str,
        partitions: int,
        first_version: int = 1,
        number_at_once: bool = False,
        topic_of: Callable[[str], str] = names.topic_of,
    ) -> None:
        """`partitions`: of each topic, for numbering. `topic_of`: the logical Kafka topic of an event type."""
        self._pool = pool
        self._project_id = project_id
        self._actor = actor
        self._partitions = partitions
        self._shift = first_version - 1
        self._number_at_once = number_at_once
        self._topic_of = topic_of

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Record these events in one commit, as one command: `context`, or one that is made for them.

        Raises `IntegrityError` where a version or the command is recorded already.
        """
        if not stored_events:
            return None
        write = self._write(stored_events, kwargs.get("context") or self._context())
        with self._connection() as connection, connection.transaction():
            connection.execute(PLAIN, parameters([[write]]), prepare=True)
            return self._number(connection, write.events) if self._number_at_once else None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        after = 0 if gt is None else gt - self._shift
        last = _MOST if lte is None else lte - self._shift
        with self._connection() as connection:
            rows = connection.execute(
                _NEWEST_FIRST if desc else _OLDEST_FIRST, (str(originator_id), after, last, limit)
            ).fetchall()
        return [StoredEvent(originator_id, version + self._shift, type, payload) for version, type, payload in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        after = 0 if start is None else start - inclusive_of_start
        with self._connection() as connection:
            rows = connection.execute(
                """
                SELECT position, stream, version, type, payload FROM store.log
                 WHERE position > %(after)s AND position <= coalesce(%(stop)s::bigint, position)
                   AND (%(any_type)s OR type = ANY (%(types)s::text[]))
                 ORDER BY position LIMIT %(limit)s
                """,
                {"after": after, "stop": stop, "any_type": not topics, "types": list(topics), "limit": limit},
            ).fetchall()
        return [
            Notification(stream, version + self._shift, type, payload, id=position)
            for position, stream, version, type, payload in rows
        ]

    def max_notification_id(self) -> int | None:
        with self._connection() as connection:
            row = connection.execute("SELECT max(position) FROM store.positions").fetchone()
        return row[0] if row else None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        return PollingSubscription(self, gt, topics)

    def _context(self) -> Context:
        command_id = uuid4()
        return Context(
            command_id=command_id,
            fingerprint=b"",
            project_id=self._project_id,
            actor=self._actor,
            request_id=f"recorder-{command_id.hex}",
            causation_id=str(command_id),
            now=datetime.now(UTC),
        )

    def _write(self, stored_events: Sequence[StoredEvent], context: Context) -> Write:
        events = [self._row(stored) for stored in stored_events]
        versions = {event.stream: event.version for event in events}
        outcome = Outcome(fingerprint=context.fingerprint, answer={}, refusal=None, versions=versions)
        known = [(row, _event(row.payload)) for row in events]
        return Write(
            context=context,
            outcome=outcome,
            events=events,
            refs={ref: row.stream for row, event in known for ref in refs(event)},
            deadlines=[
                Deadline(row.topic, row.stream, due_at, context.project_id)
                for row, event in known
                for due_at in due_times(event)
            ],
            sealed=context.sealed,
        )

    def _row(self, stored: StoredEvent) -> EventRow:
        return EventRow(
            stream=str(stored.originator_id),
            version=stored.originator_version - self._shift,
            topic=self._topic_of(stored.topic),
            type=stored.topic,
            event_id=uuid7(),
            schema_id=_schema_id(stored.state),
            payload=stored.state,
        )

    def _number(self, connection: Connection[Any], events: Sequence[EventRow]) -> Sequence[int]:
        """Number all that is committed, and these events, which are about to be: they keep their order, and get no gap."""
        prepare(connection)
        positions: dict[tuple[str, int], int] = {}
        while facts := numbering.number(connection, self._partitions, _NUMBERED_AT_A_TIME):
            positions.update({(fact.stream, fact.version): fact.position for fact in facts})
        return [positions[event.stream, event.version] for event in events]

    @contextmanager
    def _connection(self) -> Iterator[Connection[Any]]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.IntegrityError as error:
            raise IntegrityError(str(error)) from error
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error
        except psycopg.Error as error:
            raise DatabaseError(str(error)) from error


class PollingSubscription(Subscription[Recorder]):
    """Follows the positions of a recorder until it is stopped, by whichever thread."""

    def __init__(self, recorder: Recorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._fetched: Iterator[Notification] = iter(())
        self._stopped = threading.Event()

    def stop(self) -> None:
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        while not self._stopped.is_set():
            for notification in self._fetched:
                self._last_notification_id = notification.id
                return notification
            self._fetch()
        raise StopIteration

    def _fetch(self) -> None:
        fetched = self._recorder.select_notifications(
            self._last_notification_id, limit=500, topics=self._topics, inclusive_of_start=False
        )
        self._fetched = iter(fetched)
        if not fetched:
            self._stopped.wait(_POLL_SECONDS)


def _schema_id(state: bytes) -> int:
    """The schema of a fact's bytes; 0 for bytes of an application's own, which no reader of the topics understands."""
    try:
        return codec.schema_id_of(state)
    except codec.ValueUnreadable:
        return 0


def _event(state: bytes) -> object | None:
    return codec.decode(state).event if _schema_id(state) else None
