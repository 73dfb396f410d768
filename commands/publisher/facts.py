"""Numbered facts, as numbering makes them and sending takes them, and how they are read back from the store."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection

from schemas.chain import GENESIS
from schemas.envelope import Envelope

_READ = (Path(__file__).parent / "read.sql").read_bytes()
_HASH_AT = (Path(__file__).parent / "hash_at.sql").read_bytes()


class Numbered(NamedTuple):
    """A fact with its place in the log: all that goes into its Kafka record."""

    position: int
    envelope: Envelope
    value: bytes
    previous_hash: bytes
    hash: bytes
    partition: int


def envelope(row: Sequence[Any]) -> Envelope:
    """An envelope from the first ten columns of a row, in the order in which `take.sql` and `read.sql` select them."""
    return Envelope(
        event_id=row[0],
        type=row[1],
        topic=row[2],
        stream=row[3],
        version=row[4],
        recorded_at=row[5],
        project_id=row[6],
        actor=row[7],
        correlation_id=row[8],
        causation_id=row[9],
    )


def read(connection: Connection[Any], after: int, limit: int) -> Sequence[Numbered]:
    """Up to `limit` facts after a position, in order, without a gap among them; empty where there is none."""
    rows = connection.execute(_READ, {"after": after, "limit": limit}, binary=True).fetchall()
    return list(_chained(connection, rows))


def _chained(connection: Connection[Any], rows: Iterable[Sequence[Any]]) -> Iterator[Numbered]:
    """Give each fact the hash before it. Ends before a gap (an accepted older store left one): the next read begins there."""
    position, previous_hash = 0, b""
    for row in rows:
        if not position:
            previous_hash = hash_at(connection, row[11] - 1)
        elif row[11] != position + 1:
            return
        position = row[11]
        yield Numbered(position, envelope(row), row[10], previous_hash, row[12], row[13])
        previous_hash = row[12]


def hash_at(connection: Connection[Any], position: int) -> bytes:
    """The hash that the fact behind `position` is chained to. Before position 1 it is `GENESIS`."""
    if position == 0:
        return GENESIS
    row = connection.execute(_HASH_AT, {"position": position}, binary=True).fetchone()
    assert row is not None, f"position {position} stands in the store, or was accepted to stand in Kafka only"
    return bytes(row[0])
