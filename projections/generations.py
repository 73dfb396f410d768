"""Generations: every set of tables that a read model has, which of them answers, and the switch from one to the next.

A generation's tables stand in a schema of their own. `live` and `following` ones are kept up to date by the projectors, so
that a read model can be switched to its following generation, and back. The others belong to replays: `building` ones are
half-built, `refused` ones differed from the live one, `kept` ones show the read model as of a position.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from domain.errors import DomainError, ErrorType
from projections.fingerprint import fingerprint
from projections.read_model import ReadModel
from projections.statements import on, without_indexes
from runtime.postgres import Pool

State = Literal["building", "refused", "kept", "live", "following"]

_NOTE_SWITCH = b"""
    INSERT INTO read.switches (read_model, from_generation, to_generation, reason)
    SELECT t.read_model, g.generation, t.generation, %(reason)s
      FROM unnest(%(names)s::text[], %(numbers)s::int[]) AS t (read_model, generation)
      LEFT JOIN read.generations g ON g.read_model = t.read_model AND g.state = 'live'
"""

_PARKED = b"""
    SELECT read_model, p.stream, p.project_id
      FROM read.parked_keys p JOIN read.generations g USING (read_model, generation)
     WHERE g.state = 'live' LIMIT %s
"""
_MOST_PARKED = 10_000  # Of more than that nobody has a use for each.

_CACHED_SECONDS = 1.0
_FIRST_START = 7_461_001  # The advisory lock that only one process at a time may hold while it makes first generations.


class Generation(NamedTuple):
    """One set of tables of a read model, in the schema `payments_7`."""

    model: ReadModel
    number: int

    @property
    def schema(self) -> str:
        return f"{self.model.name}_{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A generation as the database knows it. `built_by` is the digest of the code that built it (see `fingerprint`)."""

    read_model: str
    generation: int
    state: State
    source: str
    built_by: str
    as_of: int | None
    created_at: datetime
    switched_at: datetime | None

    @property
    def schema(self) -> str:
        return f"{self.read_model}_{self.generation}"


class NotBuilt(DomainError):
    """No projector has ever run here, so there is nothing to read yet."""

    type: ErrorType = "system_error"
    code = "read_model_behind"
    retry_after_seconds = 1

    def __init__(self, read_model: str) -> None:
        super().__init__(f"The read model {read_model} is just being set up; ask again in a moment.")


def load(connection: Connection[Any], models: Iterable[ReadModel], *states: State) -> Sequence[Generation]:
    """The generations of these read models that are in one of these states, oldest first."""
    by_name = {model.name: model for model in models}
    rows = connection.execute(
        "SELECT read_model, generation FROM read.generations WHERE read_model = ANY (%s) AND state = ANY (%s)"
        " ORDER BY read_model, generation",
        [list(by_name), list(states)],
    )
    return [Generation(by_name[name], number) for name, number in rows]


def standing(connection: Connection[Any], models: Iterable[ReadModel]) -> Sequence[Standing]:
    """Every generation of these read models, oldest first."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(
            "SELECT read_model, generation, state, source, built_by, as_of, created_at, switched_at FROM read.generations"
            " WHERE read_model = ANY (%s) ORDER BY read_model, generation",
            [[model.name for model in models]],
        ).fetchall()


def create(
    connection: Connection[Any],
    model: ReadModel,
    state: State,
    source: str,
    as_of: int | None = None,
    *,
    indexes_later: bool = False,
) -> Generation:
    """A new generation with empty tables. `source` is where it is built from: `kafka` or `store`.

    `as_of` is the last position that it is to show, where that is not where the live one stands. `indexes_later`: only its
    primary keys are made, and `indexes.make` is to follow once it is filled.
    """
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO read.generations (read_model, generation, state, source, built_by, as_of, switched_at)"
            " SELECT %(name)s, coalesce(max(generation), 0) + 1, %(state)s, %(source)s, %(built_by)s, %(as_of)s,"
            "        CASE WHEN %(state)s = 'live' THEN clock_timestamp() END"
            "   FROM read.generations WHERE read_model = %(name)s RETURNING generation",
            {"name": model.name, "state": state, "source": source, "built_by": fingerprint(), "as_of": as_of},
        ).fetchone()
        assert row is not None, "an insert that returns gives a row"
        generation = Generation(model, row[0])
        connection.execute(on(generation.schema, "CREATE SCHEMA {schema}"))
        connection.execute(on(generation.schema, "SET LOCAL search_path TO {schema}"))
        connection.execute((without_indexes(model.tables) if indexes_later else model.tables).encode())
    return generation


def ensure_live(connection: Connection[Any], models: Iterable[ReadModel]) -> None:
    """Give every read model that has no live generation an empty one. Safe when several processes start at once."""
    models = list(models)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_FIRST_START])
        served = {generation.model.name for generation in load(connection, models, "live")}
        for model in models:
            if model.name not in served:
                create(connection, model, "live", "kafka")


def set_state(connection: Connection[Any], generations: Iterable[Generation], state: State) -> None:
    """Put generations into another state, all at once. For the live one see `switch`."""
    with connection.transaction():
        for generation in generations:
            connection.execute(
                "UPDATE read.generations SET state = %s WHERE read_model = %s AND generation = %s",
                [state, generation.model.name, generation.number],
            )


def switch(connection: Connection[Any], to: Sequence[Generation], reason: str) -> None:
    """Let these generations answer from now on, all at once; those that answered until now follow. The reason is kept."""
    target = {
        "names": [generation.model.name for generation in to],
        "numbers": [generation.number for generation in to],
    }
    with connection.transaction():
        connection.execute(_NOTE_SWITCH, {**target, "reason": reason})
        connection.execute(
            "UPDATE read.generations SET state = 'following' WHERE state = 'live' AND read_model = ANY (%(names)s)",
            target,
        )
        connection.execute(
            "UPDATE read.generations g SET state = 'live', switched_at = clock_timestamp()"
            "  FROM unnest(%(names)s::text[], %(numbers)s::int[]) AS t (read_model, generation)"
            " WHERE g.read_model = t.read_model AND g.generation = t.generation",
            target,
        )


def drop(connection: Connection[Any], generation: Generation) -> None:
    """Remove a generation: first its row and checkpoints, on which a projector's batch fails, then its tables."""
    with connection.transaction():
        connection.execute(
            "DELETE FROM read.generations WHERE read_model = %s AND generation = %s",
            [generation.model.name, generation.number],
        )
        connection.execute(on(generation.schema, "DROP SCHEMA IF EXISTS {schema} CASCADE"))


class LiveGenerations:
    """Which schema answers for each read model, and what stands still in it, as the async side asks: at most a second old."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._schemas: Mapping[str, str] = {}
        self._parked: Mapping[str, Mapping[str, str]] = {}
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def schema(self, read_model: str) -> str:
        """The live schema of a read model: `payments_7`. Raises `NotBuilt`."""
        if not self._is_fresh():
            async with self._asking:
                if not self._is_fresh():
                    await self._ask()
        try:
            return self._schemas[read_model]
        except KeyError:
            self._asked_at = float("-inf")
            raise NotBuilt(read_model) from None

    def parked(self, read_model: str) -> Mapping[str, str]:
        """The streams that stood still when `schema` was asked for last, each with its project's id."""
        return self._parked.get(read_model, {})

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._asked_at < _CACHED_SECONDS

    async def _ask(self) -> None:
        asked_at = time.monotonic()
        async with self._pool.connection() as connection:
            rows = await connection.execute("SELECT read_model, generation FROM read.generations WHERE state = 'live'")
            self._schemas = {name: f"{name}_{number}" async for name, number in rows}
            parked: dict[str, dict[str, str]] = {}
            async for name, stream, project_id in await connection.execute(_PARKED, [_MOST_PARKED]):
                parked.setdefault(name, {})[stream] = project_id
            self._parked = parked
        self._asked_at = asked_at
