"""Which generation answers, changed by hand: back to the one before, and forward again. And what clears generations away."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from projections import comparison, generations, turns
from projections.generations import Generation, Standing
from projections.read_model import ReadModel

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.05

_WHY_NOT = {
    "building": "it is only half-built; replay again to go on with it",
    "refused": "its rows differed from the live ones; replay with --accept-differences REASON to switch all the same",
    "kept": "it shows the read model as of a position, and nobody brings it on",
    "following": "it was never compared with the live one; replay again, which does that and switches",
}


class GenerationUnknown(Exception):
    """There is none of that number."""

    def __init__(self, schema: str, standing: Sequence[Standing]) -> None:
        there = ", ".join(generation.schema for generation in standing) or "none"
        super().__init__(f"There is no {schema}; there are {there}.")


class CannotAnswer(Exception):
    """This generation must not answer."""

    def __init__(self, schema: str, reason: str) -> None:
        super().__init__(f"{schema} cannot answer: {reason}. Nothing was switched.")


class StillAnswers(Exception):
    """This generation must not go."""

    def __init__(self, schema: str) -> None:
        super().__init__(f"{schema} answers just now; switch to another one first.")


class Switch(NamedTuple):
    """One of the switches that were made, by a replay or by hand."""

    switched_at: datetime
    read_model: str
    from_generation: int | None
    to_generation: int
    reason: str


def switch(connection: Connection[Any], model: ReadModel, number: int, reason: str) -> bool:
    """Let a generation answer that followed until now; the one that answered follows. False where it answers already.

    Raises `GenerationUnknown`, `CannotAnswer`, `AnotherReplayRuns`.
    """
    with turns.alone_at(connection, [model]):
        wanted, standing = Generation(model, number), _standing(connection, model, number)
        if standing.state == "live":
            return False
        if standing.state != "following" or standing.switched_at is None:
            raise CannotAnswer(wanted.schema, _WHY_NOT[standing.state])
        _wait_until_level(connection, wanted)
        generations.switch(connection, [wanted], reason)
        return True


def drop(connection: Connection[Any], model: ReadModel, number: int) -> None:
    """Remove a generation that does not answer. Raises `GenerationUnknown`, `StillAnswers`, `AnotherReplayRuns`."""
    with turns.alone_at(connection, [model]):
        standing = _standing(connection, model, number)
        if standing.state == "live":
            raise StillAnswers(standing.schema)
        generations.drop(connection, Generation(model, number))


def switches(connection: Connection[Any], limit: int) -> Sequence[Switch]:
    """The last switches, newest first."""
    with connection.cursor(row_factory=class_row(Switch)) as cursor:
        return cursor.execute(
            "SELECT switched_at, read_model, from_generation, to_generation, reason FROM read.switches"
            " ORDER BY id DESC LIMIT %s",
            [limit],
        ).fetchall()


def _standing(connection: Connection[Any], model: ReadModel, number: int) -> Standing:
    standing = generations.standing(connection, [model])
    for generation in standing:
        if generation.generation == number:
            return generation
    raise GenerationUnknown(Generation(model, number).schema, standing)


def _wait_until_level(connection: Connection[Any], wanted: Generation) -> None:
    """Return once it stands where the live one does. The projectors bring both on together, so that is at once, or never."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    live = generations.load(connection, [wanted.model], "live")
    while not all(comparison.stand_together(connection, generation, wanted) for generation in live):
        if time.monotonic() > deadline:
            raise CannotAnswer(
                wanted.schema, f"it does not stand where {live[0].schema} does; start a projector and wait"
            )
        time.sleep(_LOOK_SECONDS)
