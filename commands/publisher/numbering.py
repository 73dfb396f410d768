"""Numbering: committed facts leave the outbox and get their positions, gapless from 1, each chained to the one before.

Postgres alone is needed. The order is that of the commands' first ordinals, with the facts of one command as neighbours.
A stream's facts come in the order of their versions: who writes version 2 has seen version 1 committed, so whoever sees
both in the outbox sees version 1 with the lower ordinal, and whoever sees version 2 sees version 1 or finds it numbered.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from psycopg import Connection

from commands.publisher import epoch as epochs
from commands.publisher.facts import Numbered, envelope
from eventlog.topics import partition_of
from schemas.chain import GENESIS, link

_FOLDER = Path(__file__).parent
_TAKE, _LAST, _PLACE = ((_FOLDER / name).read_bytes() for name in ("take.sql", "last.sql", "place.sql"))


def prepare(connection: Connection[Any]) -> None:
    """Settle a connection's plans and zone for numbering and reading.

    The outbox is filled and emptied all the time, so what Postgres believes of its size is mostly wrong, and a plan that
    reads all events for it is never right. Times in UTC are written down without a conversion.
    """
    connection.execute(
        "SELECT set_config(name, value, false) FROM (VALUES ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'),"
        " ('enable_mergejoin', 'off'), ('enable_memoize', 'off'), ('TimeZone', 'UTC')) AS setting (name, value)"
    )


def is_due(connection: Connection[Any]) -> bool:
    """Whether the outbox holds anything. Cheap, and no transaction that leaves a trace."""
    return connection.execute("SELECT FROM store.outbox LIMIT 1").fetchone() is not None


def number(connection: Connection[Any], partitions: int, limit: int, epoch: int | None = None) -> Sequence[Numbered]:
    """Number the oldest `limit` facts of the outbox, and the rest of their commands, in one transaction. Empty: none left.

    With an `epoch`, only as the publisher of that epoch: raises `epoch.Fenced`. Without one the transaction keeps every
    publisher out until it ends; that is for a store that numbers its own facts at once.
    """
    with epochs.fenced(), connection.pipeline(), connection.transaction():
        _enter(connection, epoch)
        last = connection.execute(_LAST, binary=True)
        rows = connection.execute(_TAKE, {"limit": limit}, binary=True).fetchall()
        if not rows:
            return ()
        position, previous_hash = last.fetchone() or (0, GENESIS)
        facts = list(_chain(rows, position, previous_hash, partitions))
        _place(connection, facts)
    return facts


def _enter(connection: Connection[Any], epoch: int | None) -> None:
    if epoch is None:
        connection.execute("SELECT FROM store.publisher FOR UPDATE")
    else:
        epochs.hold(connection, epoch)


def _chain(rows: Iterable[Sequence[Any]], position: int, previous_hash: bytes, partitions: int) -> Iterator[Numbered]:
    for row in rows:
        position += 1
        fact, value = envelope(row), row[10]
        hash = link(previous_hash, position=position, envelope=fact, value=value)
        yield Numbered(position, fact, value, previous_hash, hash, partition_of(fact.stream.encode(), partitions))
        previous_hash = hash


def _place(connection: Connection[Any], facts: Sequence[Numbered]) -> None:
    connection.execute(
        _PLACE,
        {
            "first": facts[0].position,
            "streams": [fact.envelope.stream for fact in facts],
            "versions": [fact.envelope.version for fact in facts],
            "hashes": [fact.hash for fact in facts],
            "topics": [fact.envelope.topic for fact in facts],
            "partitions": [fact.partition for fact in facts],
            "project_ids": [fact.envelope.project_id for fact in facts],
        },
        prepare=True,
    )
