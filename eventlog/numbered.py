"""Numbered facts just as they are published, not decoded: what sending gives to Kafka, and what verifying holds against it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.types.string import ByteaBinaryLoader

from eventlog.topics import partition_of
from schemas import times
from schemas.chain import GENESIS
from schemas.envelope import Written

_READ = files(__package__).joinpath("numbered.sql").read_bytes()

Row = tuple[Any, ...]

UNPLACED = -1


class Numbered(NamedTuple):
    """A fact with its place in the log: all that goes into its Kafka record."""

    position: int
    written: Written
    value: bytes
    previous_hash: bytes
    hash: bytes
    partition: int  # UNPLACED where nobody asked.

    @property
    def topic(self) -> str:
        """The logical one."""
        return self.written.topic.decode()

    @property
    def stream(self) -> str:
        return self.written.stream.decode()

    @property
    def version(self) -> int:
        return int(self.written.version)

    @property
    def event_id(self) -> UUID:
        return UUID(self.written.event_id.decode())

    @property
    def recorded_at(self) -> datetime:
        return times.from_text(self.written.recorded_at.decode())


def prepare(connection: Connection[Any]) -> None:
    """Settle a connection's plans for numbering and reading.

    The outbox is filled and emptied all the time, and positions only grow, so what Postgres believes of their size is
    mostly wrong, and a plan that reads all events for a page of them is never right.
    """
    connection.execute(
        "SELECT set_config('enable_' || way, 'off', false) FROM unnest(%s::text[]) AS way",
        (["seqscan", "bitmapscan", "hashjoin", "mergejoin", "memoize"],),
    )


def ask(connection: Connection[Any], statement: bytes, parameters: Mapping[str, Any]) -> Cursor[Any]:
    """Run a statement that finds text as UTF-8 bytes: it goes into hashes and headers as it comes from Postgres."""
    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader("text", ByteaBinaryLoader)
    return cursor.execute(statement, parameters, prepare=True)


def envelope_of(row: Row) -> tuple[Written, bytes]:
    """An envelope and its value: the first ten columns of a row, in the order in which numbered.sql selects them."""
    return Written._make(row[:9]), row[9]


def read(connection: Connection[Any], after: int, limit: int, partitions: int | None = None) -> Sequence[Numbered]:
    """Up to `limit` facts of the store after a position, in order, placed in topics with so many partitions each.

    `previous_hash` is that of the fact at the position before, and empty where the store has none there.
    """
    found: Sequence[Row] = ask(connection, _READ, {"after": after, "limit": limit + 1}).fetchall()
    position, hash = (0, GENESIS) if after == 0 else (-1, b"")
    if found and found[0][10] == after:
        position, hash = found[0][10:12]
        found = found[1:]
    facts = []
    for row in found[:limit]:
        before = hash if row[10] == position + 1 else b""
        position, hash = row[10:]
        written, value = envelope_of(row)
        partition = UNPLACED if partitions is None else partition_of(written.stream, partitions)
        facts.append(Numbered(position, written, value, before, hash, partition))
    return facts
