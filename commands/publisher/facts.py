"""Numbered facts, as numbering makes them and sending takes them, and how they are read back from the store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.types.string import ByteaBinaryLoader

from schemas import times
from schemas.chain import GENESIS
from schemas.envelope import Written

_READ = (Path(__file__).parent / "read.sql").read_bytes()
_HASH_AT = (Path(__file__).parent / "hash_at.sql").read_bytes()

_WRITTEN = len(Written._fields)

Row = Sequence[Any]


class Numbered(NamedTuple):
    """A fact with its place in the log: all that goes into its Kafka record."""

    position: int
    written: Written
    value: bytes
    previous_hash: bytes
    hash: bytes
    partition: int

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


def ask(connection: Connection[Any], statement: bytes, parameters: Mapping[str, Any]) -> Cursor[Any]:
    """Run a statement that finds text as UTF-8 bytes: it goes into hashes and headers as it comes from Postgres."""
    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader("text", ByteaBinaryLoader)
    return cursor.execute(statement, parameters, prepare=True)


def written(row: Row) -> tuple[Written, bytes]:
    """An envelope and its value: the first ten columns of a row, in the order in which take.sql and read.sql select them."""
    return Written._make(row[:_WRITTEN]), row[_WRITTEN]


def read(connection: Connection[Any], after: int, limit: int) -> Sequence[Numbered]:
    """Up to `limit` facts after a position, in order, without a gap among them; empty where there is none."""
    found = ask(connection, _READ, {"after": after, "limit": limit}).fetchall()
    return list(_chained(connection, found))


def _chained(connection: Connection[Any], found: Iterable[Row]) -> Iterator[Numbered]:
    """Give each fact the hash before it. Ends before a gap (an accepted older store left one): the next read begins there."""
    last, previous_hash = 0, b""
    for row in found:
        position, hash, partition = row[-3:]
        if not last:
            previous_hash = hash_at(connection, position - 1)
        elif position != last + 1:
            return
        yield Numbered(position, *written(row), previous_hash, hash, partition)
        last, previous_hash = position, hash


def hash_at(connection: Connection[Any], position: int) -> bytes:
    """The hash that the fact behind `position` is chained to. Before position 1 it is `GENESIS`."""
    if position == 0:
        return GENESIS
    row = connection.execute(_HASH_AT, {"position": position}, binary=True).fetchone()
    assert row is not None, f"position {position} stands in the store, or was accepted to stand in Kafka only"
    return bytes(row[0])
