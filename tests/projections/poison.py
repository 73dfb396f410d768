"""Read models that cannot apply some facts, made for tests on purpose."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from psycopg import Cursor

from projections.generations import Generation
from projections.read_model import ReadModel
from schemas.envelope import Recorded

Effect = Callable[[Cursor[Any]], object]


class Poisoned:
    """A read model as it is, but for some facts at which something else happens. `poison` may be changed at any time."""

    def __init__(self, model: ReadModel, effect: Effect, *poison: Recorded) -> None:
        self.name = model.name
        self.topics = model.topics
        self.tables = model.tables
        self.stream_column = model.stream_column
        self.stream_prefixes = model.stream_prefixes
        self.poison: set[UUID] = {fact.event_id for fact in poison}
        self._model = model
        self._effect = effect

    def apply(self, facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
        self._model.apply(facts, cursor, schema)
        if any(fact.event_id in self.poison for fact in facts):
            self._effect(cursor)


def poisoned(generation: Generation, effect: Effect, *poison: Recorded) -> tuple[Poisoned, Generation]:
    """A poisoned model, and this generation with it in the place of its own."""
    model = Poisoned(generation.model, effect, *poison)
    return model, Generation(model, generation.number)


def stumble(_cursor: Cursor[Any]) -> None:
    """An error in the fold itself."""
    raise ValueError("this fold knows no such thing")


def divide_by_zero(cursor: Cursor[Any]) -> None:
    """Postgres refuses a value."""
    cursor.execute("SELECT 1 / 0")


class Killed(BaseException):
    """The end of a process, as far as it can be played within one: nobody catches it, and nothing is done on the way out."""


def die(_cursor: Cursor[Any]) -> None:
    raise Killed
