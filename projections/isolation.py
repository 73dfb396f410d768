"""Which facts cannot be applied: found by applying the others, each time without them, in savepoints."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import Cursor

from projections.checkpoints import CheckpointsMoved
from projections.generations import Generation
from schemas.envelope import Recorded

# What Postgres says of a value: it does not fit, it breaks a constraint, it is too large for an index.
_OF_A_VALUE = ("22", "23", "54")
_MOST_AT_ONCE = 100


class ReadModelBroken(Exception):
    """So many streams of one batch could not be applied that it is not the facts: the fold, or its tables, are wrong."""

    def __init__(self, generation: Generation, error: Exception) -> None:
        super().__init__(
            f"More than {_MOST_AT_ONCE} streams of one batch could not be applied to {generation.schema}, the last because of"
            f" {describe(error)}. That is no fault of theirs, so nothing was parked: mend the read model, and start again."
        )


class Refused(NamedTuple):
    """A fact that cannot be applied, with the later ones of its stream behind it, and why it cannot."""

    facts: Sequence[Recorded]
    error: Exception


def is_the_facts_fault(error: Exception) -> bool:
    """Whether an error is about what was applied, and would come again, rather than about the world around."""
    match error:
        case CheckpointsMoved() | MemoryError():
            return False
        case psycopg.Error(sqlstate=None):
            return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
        case psycopg.Error(sqlstate=str(state)):
            return state.startswith(_OF_A_VALUE)
    return True


def apply_others(facts: Sequence[Recorded], cursor: Cursor[Any], generation: Generation) -> Sequence[Refused]:
    """Apply all facts but those that cannot be, and those behind them in their streams, which are returned.

    `facts` are in order per stream. Within a transaction. Raises `ReadModelBroken`.
    """
    by_stream: dict[str, list[Recorded]] = {}
    for fact in facts:
        by_stream.setdefault(fact.stream, []).append(fact)
    refused: list[Refused] = []
    _halve(list(by_stream.values()), cursor, generation, refused)
    return refused


def describe(error: Exception) -> str:
    """An error in one line, short enough to be kept."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:500] if lines else type(error).__name__


def _halve(
    streams: Sequence[Sequence[Recorded]], cursor: Cursor[Any], generation: Generation, refused: list[Refused]
) -> None:
    """Apply streams together or, where that fails, in halves, down to a stream of its own."""
    if not streams or _attempt([fact for facts in streams for fact in facts], cursor, generation) is None:
        return
    if len(streams) == 1:
        refused.extend(_one_by_one(streams[0], cursor, generation))
        if len(refused) > _MOST_AT_ONCE:
            raise ReadModelBroken(generation, refused[-1].error)
        return
    middle = len(streams) // 2
    _halve(streams[:middle], cursor, generation, refused)
    _halve(streams[middle:], cursor, generation, refused)


def _one_by_one(facts: Sequence[Recorded], cursor: Cursor[Any], generation: Generation) -> Sequence[Refused]:
    for number, fact in enumerate(facts):
        if error := _attempt([fact], cursor, generation):
            return [Refused(facts[number:], error)]
    return []


def _attempt(facts: Sequence[Recorded], cursor: Cursor[Any], generation: Generation) -> Exception | None:
    """Apply facts, or leave everything as it was and return why they cannot be applied."""
    try:
        with cursor.connection.transaction():
            generation.model.apply(facts, cursor, generation.schema)
    except Exception as error:
        if not is_the_facts_fault(error):
            raise
        return error
    return None
