"""How far each generation has come in each source: kept beside its rows, compared and set in each batch's transaction.

Whoever keeps a generation up to date in a source has claimed it, which raises its epoch. One that was claimed by somebody
else meanwhile cannot be moved with the old epoch: what a process does that has lost its sources unawares comes to nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection, Cursor, DatabaseError

from eventlog.log import Source
from eventlog.store import STORE
from projections.generations import Generation
from projections.statements import beside

_CLAIM = beside(__file__, "claim").encode()
_ADVANCE = beside(__file__, "advance").encode()
_MOVED_BY_ANOTHER = "TS001"


class Checkpoint(NamedTuple):
    """Where to read on, and the highest position seen: what is not above it was seen before."""

    next_offset: int
    last_position: int
    epoch: int


class Move(NamedTuple):
    """A checkpoint's step from where it stands to where it will."""

    generation: Generation
    source: Source
    before: Checkpoint
    after: Checkpoint


Checkpoints = Mapping[Generation, Mapping[Source, Checkpoint]]


class CheckpointsMoved(Exception):
    """A checkpoint does not stand where we left it: another process has claimed it, or its generation is gone."""


def claim(connection: Connection[Any], generations: Iterable[Generation], sources: Iterable[Source]) -> Checkpoints:
    """Make these generations ours to move in these sources, from their beginning where they have no checkpoint yet."""
    sources = list(sources)
    wanted = [(generation, source) for generation in generations for source in sources if _reads(generation, source)]
    rows = connection.execute(_CLAIM, _columns(wanted))
    by_name = {(generation.model.name, generation.number): generation for generation, _ in wanted}
    return _gathered(by_name, rows)


def load(connection: Connection[Any], generations: Iterable[Generation]) -> Checkpoints:
    """Where these generations stand."""
    by_name = {(generation.model.name, generation.number): generation for generation in generations}
    rows = connection.execute(
        "SELECT read_model, generation, topic, partition, next_offset, last_position, epoch FROM read.checkpoints"
        " JOIN unnest(%s::text[], %s::int[]) AS wanted (read_model, generation) USING (read_model, generation)",
        [[name for name, _ in by_name], [number for _, number in by_name]],
    )
    return _gathered(by_name, rows)


def advance(cursor: Cursor[Any], moves: Sequence[Move]) -> None:
    """Move checkpoints, in the transaction that writes the rows, and before them: it locks out everybody else who would.

    Raises on the server where one of them stands elsewhere; `is_moved` tells that error from others.
    """
    columns = _columns([(move.generation, move.source) for move in moves])
    cursor.execute(
        _ADVANCE,
        {
            **columns,
            "epoch": [move.before.epoch for move in moves],
            "offset_before": [move.before.next_offset for move in moves],
            "position_before": [move.before.last_position for move in moves],
            "offset_after": [move.after.next_offset for move in moves],
            "position_after": [move.after.last_position for move in moves],
        },
    )


def is_moved(error: DatabaseError) -> bool:
    """Whether this is the server's refusal to move a checkpoint that stands elsewhere."""
    return error.sqlstate == _MOVED_BY_ANOTHER


def replace(connection: Connection[Any], generation: Generation, places: Mapping[Source, Checkpoint]) -> None:
    """Put other checkpoints in the place of all that a generation has: it was built from one log and goes on in another."""
    with connection.transaction():
        connection.execute(
            "DELETE FROM read.checkpoints WHERE read_model = %s AND generation = %s",
            [generation.model.name, generation.number],
        )
        connection.cursor().executemany(
            "INSERT INTO read.checkpoints VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(generation.model.name, generation.number, *source, *place) for source, place in places.items()],
        )


def lowest(checkpoints: Checkpoints) -> Mapping[Source, int]:
    """For each source the offset from which none of these generations misses anything."""
    offsets: dict[Source, int] = {}
    for places in checkpoints.values():
        for source, place in places.items():
            offsets[source] = min(place.next_offset, offsets.get(source, place.next_offset))
    return offsets


def _reads(generation: Generation, source: Source) -> bool:
    return source == STORE or source.topic in generation.model.topics


def _columns(wanted: Sequence[tuple[Generation, Source]]) -> dict[str, list[Any]]:
    return {
        "read_model": [generation.model.name for generation, _ in wanted],
        "generation": [generation.number for generation, _ in wanted],
        "topic": [source.topic for _, source in wanted],
        "partition": [source.partition for _, source in wanted],
    }


def _gathered(by_name: Mapping[tuple[str, int], Generation], rows: Iterable[Sequence[Any]]) -> Checkpoints:
    gathered: dict[Generation, dict[Source, Checkpoint]] = {generation: {} for generation in by_name.values()}
    for name, number, topic, partition, *place in rows:
        gathered[by_name[name, number]][Source(topic, partition)] = Checkpoint(*place)
    return gathered
