"""Numbering: committed facts leave the outbox and get their positions, gapless from 1, each chained to the one before.

Postgres alone is needed. The order is that of the commands' first ordinals, with the facts of one command as neighbours.
A stream's facts come in the order of their versions: who writes version 2 has seen version 1 committed, so whoever sees
both in the outbox sees version 1 with the lower ordinal, and whoever sees version 2 sees version 1 or finds it numbered.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from psycopg import Connection, Cursor

from commands.publisher import epoch as epochs
from eventlog.numbered import Numbered, Row, ask, envelope_of
from eventlog.topics import partition_of
from runtime import postgres
from schemas.chain import GENESIS, link

_FOLDER = Path(__file__).parent
_TAKE, _LAST, _PLACE = ((_FOLDER / name).read_bytes() for name in ("take.sql", "last.sql", "place.sql"))


def is_due(connection: Connection[Any]) -> bool:
    """Whether the outbox holds anything. Cheap, and no transaction that leaves a trace."""
    return connection.execute("SELECT FROM store.outbox LIMIT 1").fetchone() is not None


def number(
    connection: Connection[Any], partitions: int, limit: int, epoch: int | None = None, *, batches: int = 1
) -> Sequence[Numbered]:
    """Number the oldest facts of the outbox in one transaction: so many batches of `limit`, each of whole commands.

    Empty: none left. With an `epoch`, only as the publisher of that epoch: raises `epoch.Fenced`. Without one the
    transaction keeps every publisher out until it ends; that is for a store that numbers its own facts at once.
    """
    numbered: list[Numbered] = []
    with epochs.fenced(), postgres.pipelined_transaction(connection):
        _enter(connection, epoch)
        last = connection.execute(_LAST, binary=True)
        taken = _take(connection, limit).fetchall()
        position, hash = last.fetchone() or (0, GENESIS)
        while taken:
            batches -= 1
            more = batches > 0 and len(taken) >= limit
            ahead = _take(connection, limit) if more else None  # Postgres takes while we chain.
            batch = list(_chain(taken, position, hash, partitions))
            _place(connection, batch)
            numbered += batch
            position, hash = batch[-1].position, batch[-1].hash
            taken = ahead.fetchall() if ahead else []
    return numbered


def _take(connection: Connection[Any], limit: int) -> Cursor[Any]:
    return ask(connection, _TAKE, {"limit": limit})


def _enter(connection: Connection[Any], epoch: int | None) -> None:
    if epoch is None:
        connection.execute("SELECT FROM store.publisher FOR UPDATE")
    else:
        epochs.hold(connection, epoch)


def _chain(taken: Iterable[Row], position: int, previous_hash: bytes, partitions: int) -> Iterator[Numbered]:
    for row in taken:
        position += 1
        written, value = envelope_of(row)
        hash = link(previous_hash, position=position, written=written, value=value)
        yield Numbered(position, written, value, previous_hash, hash, partition_of(written.stream, partitions))
        previous_hash = hash


def _place(connection: Connection[Any], numbered: Sequence[Numbered]) -> None:
    connection.execute(
        _PLACE,
        {
            "first": numbered[0].position,
            "streams": [fact.written.stream.decode() for fact in numbered],
            "versions": [int(fact.written.version) for fact in numbered],
            "hashes": [fact.hash for fact in numbered],
            "topics": [fact.written.topic.decode() for fact in numbered],
            "project_ids": [fact.written.project_id.decode() for fact in numbered],
        },
        prepare=True,
    )
