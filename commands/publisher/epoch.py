"""The epoch of the one publisher that may write, and its checkpoint: both in the single row of `store.publisher`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg.errors import ObjectNotInPrerequisiteState

from runtime import postgres


class Fenced(Exception):
    """Another publisher took over; Postgres refuses what this one writes."""


def take(connection: Connection[Any]) -> int:
    """Begin a new epoch. Waits for a write of the old one that is under way, and has all later ones refused."""
    with connection.transaction():
        connection.execute("SELECT FROM store.publisher FOR UPDATE")
        row = connection.execute("UPDATE store.publisher SET epoch = epoch + 1 RETURNING epoch").fetchone()
    assert row is not None, "the migrations insert the row"
    return int(row[0])


def hold(connection: Connection[Any], epoch: int) -> None:
    """Bind the transaction to an epoch: it commits in this epoch, or fails. Within `fenced` only."""
    connection.execute("SELECT store.hold_epoch(%s)", (epoch,))


def checkpoint(connection: Connection[Any]) -> int:
    """The position up to which Kafka has acknowledged everything, as it was last noted."""
    row = connection.execute("SELECT published FROM store.publisher").fetchone()
    assert row is not None, "the migrations insert the row"
    return int(row[0])


def note_checkpoint(connection: Connection[Any], epoch: int, position: int) -> None:
    """Note that Kafka has acknowledged everything up to `position`. Never goes back. Raises `Fenced`."""
    with fenced(), postgres.pipelined_transaction(connection):
        hold(connection, epoch)
        connection.execute(
            "UPDATE store.publisher SET published = greatest(published, %s), published_at = clock_timestamp()",
            (position,),
        )


@contextmanager
def fenced() -> Iterator[None]:
    """Raise `Fenced` where Postgres refuses a write because of its epoch."""
    try:
        yield
    except ObjectNotInPrerequisiteState as error:
        raise Fenced(str(error.diag.message_primary)) from error
