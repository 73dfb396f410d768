"""What is to be sent next, read back from the store."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from psycopg import Connection

from eventlog import numbered
from eventlog.numbered import Numbered
from schemas.chain import GENESIS

_HASH_AT = (Path(__file__).parent / "hash_at.sql").read_bytes()


def read(connection: Connection[Any], after: int, limit: int, partitions: int) -> Sequence[Numbered]:
    """Up to `limit` facts after a position, in order, each with the hash before it; empty where there is none.

    They are placed for topics with so many partitions each.

    Ends before a gap (an accepted older store left one): the next read begins there.
    """
    page = numbered.read(connection, after, limit, partitions)
    if not page:
        return ()
    first = page[0]
    if not first.previous_hash:
        first = first._replace(previous_hash=hash_at(connection, first.position - 1))
    return [first, *takewhile(lambda fact: fact.previous_hash, page[1:])]


def hash_at(connection: Connection[Any], position: int) -> bytes:
    """The hash that the fact behind `position` is chained to. Before position 1 it is `GENESIS`."""
    if position == 0:
        return GENESIS
    row = connection.execute(_HASH_AT, {"position": position}, binary=True).fetchone()
    assert row is not None, f"position {position} stands in the store, or was accepted to stand in Kafka only"
    return bytes(row[0])
