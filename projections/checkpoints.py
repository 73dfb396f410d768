"""How far each generation has come in each source: kept beside its rows, compared and set in each batch's transaction.

Whoever keeps a generation up to date in a source has claimed it, which raises its epoch. One that was claimed by somebody
else meanwhile cannot be moved with the old epoch: what a process does that has lost its sources unawares comes to nothing.

Whoever leaves in good order releases what it had. What was not released was in the hands of somebody who died, perhaps of
a fact: the next one is wary, and marks how far each batch goes before it folds it, so that whoever comes after yet another
death knows among which facts to look (see `projections.suspects`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import Connection, Cursor, DatabaseError

from eventlog.log import Source
from eventlog.store import STORE
from projections.generations import Generation
from projections.statements import beside

_CLAIM = beside(__file__, "claim").encode()
_ADVANCE = beside(__file__, "advance").encode()
_MARK = beside(__file__, "mark").encode()
_RELEASE = beside(__file__, "release").encode()
_MOVED_BY_ANOTHER = "TS001"
_EXCEPTIONS_ARE_DUE = "TS002"
_WARY_MOVES = 20  # Batches. Together they hold more than any that somebody can have died of.


class Checkpoint(NamedTuple):
    """Where to read on, and the highest position seen: what is not above it was seen before.

    `suspect_to`: somebody died while they folded facts up to this position, 0 if nobody did. While there is any, rows may be
    ahead of the offset: suspects are folded a few at a time, and the offset behind each is not known. `attempts`: so often,
    of nothing else. `wary`: so many more batches are to be marked.
    """

    next_offset: int
    last_position: int
    epoch: int
    suspect_to: int = 0
    attempts: int = 0
    wary: int = 0

    def moved_to(self, next_offset: int, last_position: int) -> "Checkpoint":
        """The same further on. What is suspect stays so until it is passed, with its offset, too."""
        is_passed = last_position >= self.suspect_to and next_offset > self.next_offset
        suspect_to = 0 if is_passed else self.suspect_to
        wary = max(self.wary - 1, 0) if next_offset > self.next_offset else self.wary
        return Checkpoint(next_offset, last_position, self.epoch, suspect_to, 0, wary)


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
    return _gathered(by_name, ((*row, _WARY_MOVES if was_in_hand else 0) for *row, was_in_hand in rows))


def release(connection: Connection[Any], held: Checkpoints) -> None:
    """Leave these checkpoints to others, in good order. Those that are not ours any more are left alone."""
    wanted = [(generation, source, place) for generation, places in held.items() for source, place in places.items()]
    if not wanted:
        return
    columns = _columns([(generation, source) for generation, source, _ in wanted])
    places = {
        "epoch": [place.epoch for *_, place in wanted],
        "suspect_to": [place.suspect_to for *_, place in wanted],
        "attempts": [place.attempts for *_, place in wanted],
    }
    connection.execute(_RELEASE, {**columns, **places})


def mark(connection: Connection[Any], moves: Sequence[Move], *, alone: bool) -> None:
    """Note how far the facts go that are about to be folded, `alone` if nothing else is. Raises `CheckpointsMoved`."""
    marks = {
        **_columns([(move.generation, move.source) for move in moves]),
        "epoch": [move.before.epoch for move in moves],
        "suspect_to": [move.after.last_position for move in moves],
        "alone": alone,
    }
    marked = connection.execute(_MARK, marks).rowcount
    if marked != len(moves):
        raise CheckpointsMoved(f"{len(moves) - marked} of {len(moves)} checkpoints are claimed by somebody else")


def load(connection: Connection[Any], generations: Iterable[Generation]) -> Checkpoints:
    """Where these generations stand."""
    by_name = {(generation.model.name, generation.number): generation for generation in generations}
    rows = connection.execute(
        "SELECT read_model, generation, topic, partition, next_offset, last_position, epoch, suspect_to, attempts"
        "  FROM read.checkpoints"
        " JOIN unnest(%s::text[], %s::int[]) AS wanted (read_model, generation) USING (read_model, generation)",
        [[name for name, _ in by_name], [number for _, number in by_name]],
    )
    return _gathered(by_name, rows)


def advance(cursor: Cursor[Any], moves: Sequence[Move], *, exceptions_are_made: bool = False) -> None:
    """Move checkpoints, in the transaction that writes the rows, and before them: it locks out everybody else who would.

    Raises on the server where one of them stands elsewhere, and where something among the facts is to be left out (a
    parked key, a skipped event), unless `exceptions_are_made`. See `telling_moves` and `exceptions_are_due`.
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
            "suspect_after": [move.after.suspect_to for move in moves],
            "exceptions_are_made": exceptions_are_made,
        },
    )


@contextmanager
def telling_moves() -> Iterator[None]:
    """Raise the server's refusal to move a checkpoint that stands elsewhere as `CheckpointsMoved`."""
    try:
        yield
    except DatabaseError as error:
        if error.sqlstate == _MOVED_BY_ANOTHER:
            raise CheckpointsMoved(str(error)) from error
        raise


def exceptions_are_due(error: Exception) -> bool:
    """Whether this is the server's refusal to pass facts of which some are to be left out."""
    return isinstance(error, DatabaseError) and error.sqlstate == _EXCEPTIONS_ARE_DUE


def replace(connection: Connection[Any], generation: Generation, places: Mapping[Source, Checkpoint]) -> None:
    """Put other checkpoints in the place of all that a generation has: it was built from one log and goes on in another."""
    with connection.transaction():
        connection.execute(
            "DELETE FROM read.checkpoints WHERE read_model = %s AND generation = %s",
            [generation.model.name, generation.number],
        )
        connection.cursor().executemany(
            "INSERT INTO read.checkpoints (read_model, generation, topic, partition, next_offset, last_position, epoch)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(generation.model.name, generation.number, *source, *place[:3]) for source, place in places.items()],
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
