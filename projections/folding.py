"""One reading of the log into many generations: each folds what it has not seen, all in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.types.json import set_json_dumps
from psycopg.types.numeric import Int8BinaryDumper

from eventlog.log import Batch, Source
from projections import checkpoints
from projections.checkpoints import Checkpoint, Checkpoints, CheckpointsMoved, Move
from projections.generations import Generation
from projections.tables import COPY_FROM_ROWS, to_json
from runtime import postgres
from schemas.envelope import Recorded


class Step(NamedTuple):
    """What one generation is about to do: fold these facts, and move its checkpoints past them."""

    generation: Generation
    facts: Sequence[Recorded]
    moves: Sequence[Move]


def connect(database_url: str, name: str, patience_seconds: float | None = None) -> Connection[Any]:
    """A connection for folds: their few statements, with thousands of keys in each, run again and again.

    A fold that takes longer than `patience_seconds` is ended by the server, for whoever waits behind it.
    """
    connection = postgres.connect(database_url, name=name, autocommit=True, patience_seconds=patience_seconds)
    # Planned once, for look-ups by key: a plan for the number of keys at hand would be made anew with every batch.
    connection.execute("SET plan_cache_mode = force_generic_plan")
    # Whole numbers always go as bigint; by their size they would go as three types, each with a statement of its own.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    set_json_dumps(to_json, connection)
    connection.execute("SET client_min_messages = warning")  # Not to be told each time that a table is there already.
    return connection


def fold(connection: Connection[Any], held: Checkpoints, batches: Sequence[Batch]) -> Checkpoints:
    """Bring every generation past these batches, and return where all stand then.

    `held` are the checkpoints that are ours. Raises `CheckpointsMoved` if one is not any more; then nothing has happened.
    """
    steps = [step for generation, places in held.items() if (step := _step(generation, places, batches)).moves]
    if not steps:
        return held
    try:
        with _together(connection, steps), connection.transaction(), connection.cursor() as cursor:
            checkpoints.advance(cursor, [move for step in steps for move in step.moves])
            for step in steps:
                if step.facts:
                    step.generation.model.apply(step.facts, cursor, step.generation.schema)
    except psycopg.DatabaseError as error:
        if checkpoints.is_moved(error):
            raise CheckpointsMoved(str(error)) from error
        raise
    return _moved(held, steps)


def _together(connection: Connection[Any], steps: Iterable[Step]) -> AbstractContextManager[object]:
    """Let the statements of a small batch travel together: it is shown after one round trip. In a large one rows are copied."""
    is_large = any(len(step.facts) >= COPY_FROM_ROWS for step in steps)
    return nullcontext() if is_large else connection.pipeline()


def _step(generation: Generation, places: Mapping[Source, Checkpoint], batches: Iterable[Batch]) -> Step:
    facts: list[Recorded] = []
    moves: list[Move] = []
    for batch in batches:
        before = places.get(batch.source)
        if before is None or before.next_offset >= batch.next_offset:
            continue
        unseen = list(_unseen(batch.facts, before.last_position))
        last_position = unseen[-1].position if unseen else before.last_position
        moves.append(Move(generation, batch.source, before, Checkpoint(batch.next_offset, last_position, before.epoch)))
        facts.extend(fact for fact in unseen if fact.topic in generation.model.topics and fact.event is not None)
    return Step(generation, facts, moves)


def _unseen(facts: Iterable[Recorded], last_position: int) -> Iterator[Recorded]:
    """What is above the last position. The publisher may send a fact twice; its second coming is dropped here."""
    for fact in facts:
        if fact.position > last_position:
            last_position = fact.position
            yield fact


def _moved(held: Checkpoints, steps: Iterable[Step]) -> Checkpoints:
    moved = dict(held)
    for step in steps:
        moved[step.generation] = {**held[step.generation], **{move.source: move.after for move in step.moves}}
    return moved
