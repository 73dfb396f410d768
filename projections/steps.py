"""Steps of generations past facts: their rows, their checkpoints and what is set aside, all in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from psycopg import Connection

from eventlog.log import Batch, Source
from projections import checkpoints, isolation, parking
from projections.checkpoints import Checkpoint, Checkpoints, Move
from projections.generations import Generation
from projections.tables import COPY_FROM_ROWS
from runtime import postgres
from schemas.envelope import Recorded


class Step(NamedTuple):
    """What one generation is about to do: fold these facts, and move its checkpoints past them."""

    generation: Generation
    facts: Sequence[Recorded]
    moves: Sequence[Move]


def step(generation: Generation, places: Mapping[Source, Checkpoint], batches: Iterable[Batch]) -> Step:
    """What a generation that stands at these places has to do about these batches: nothing, where it has seen them."""
    facts: list[Recorded] = []
    moves: list[Move] = []
    for batch in batches:
        before = places.get(batch.source)
        if before is None or before.next_offset >= batch.next_offset:
            continue
        unseen = list(_unseen(batch.facts, before.last_position))
        last_position = unseen[-1].position if unseen else before.last_position
        moves.append(Move(generation, batch.source, before, before.moved_to(batch.next_offset, last_position)))
        facts += concerning(generation, unseen)
    return Step(generation, facts, moves)


def concerning(generation: Generation, facts: Iterable[Recorded]) -> Sequence[Recorded]:
    """Those facts that a generation folds. Those of types unknown to this code are passed over."""
    return [fact for fact in facts if fact.topic in generation.model.topics and fact.event is not None]


def take(connection: Connection[Any], steps: Sequence[Step]) -> None:
    """Take all these steps, or none.

    A fact that cannot be applied is parked with what comes after it in its stream; it holds up nothing else. Raises
    `CheckpointsMoved` where a checkpoint is not ours any more, and `ReadModelBroken`.
    """
    with checkpoints.telling_moves():
        try:
            _take(connection, steps)
        except Exception as error:
            if not (checkpoints.exceptions_are_due(error) or isolation.is_the_facts_fault(error)):
                raise
            _take_with_exceptions(connection, steps)


def park(connection: Connection[Any], step: Step, error: str) -> None:
    """Take a step without applying its facts. Raises `CheckpointsMoved`."""
    with checkpoints.telling_moves(), connection.transaction(), connection.cursor() as cursor:
        checkpoints.advance(cursor, step.moves, exceptions_are_made=True)
        parking.set_aside(step.facts, cursor, step.generation, error)


def moved(held: Checkpoints, steps: Iterable[Step]) -> Checkpoints:
    """Where all stand once these steps are taken."""
    after = dict(held)
    for taken in steps:
        after[taken.generation] = {**after[taken.generation], **{move.source: move.after for move in taken.moves}}
    return after


def _take(connection: Connection[Any], steps: Sequence[Step]) -> None:
    with _transaction(connection, steps), connection.cursor() as cursor:
        checkpoints.advance(cursor, [move for step in steps for move in step.moves])
        for generation, facts, _ in steps:
            if facts:
                generation.model.apply(facts, cursor, generation.schema)


def _take_with_exceptions(connection: Connection[Any], steps: Sequence[Step]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        checkpoints.advance(cursor, [move for step in steps for move in step.moves], exceptions_are_made=True)
        for generation, facts, _ in steps:
            if facts:
                parking.apply(facts, cursor, generation)


def _transaction(connection: Connection[Any], steps: Iterable[Step]) -> AbstractContextManager[object]:
    """The statements of a small batch travel together: it is shown after one round trip. In a large one rows are copied."""
    is_large = any(len(step.facts) >= COPY_FROM_ROWS for step in steps)
    return connection.transaction() if is_large else postgres.pipelined_transaction(connection)


def _unseen(facts: Iterable[Recorded], last_position: int) -> Iterator[Recorded]:
    """What is above the last position. The publisher may send a fact twice; its second coming is dropped here."""
    for fact in facts:
        if fact.position > last_position:
            last_position = fact.position
            yield fact
