"""Parked keys: a stream of which a fact cannot be applied stands still in that generation, and everything else goes on.

The fact and, in order, all later ones of its stream wait in `read.parked_facts`, until an operator lets them be tried again
or skips the fact. Skips hold for every generation, those that a replay will build too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import structlog
from psycopg import Connection, Cursor
from psycopg.rows import class_row, dict_row

from eventlog.store import fact_in
from projections import isolation
from projections.generations import Generation
from projections.isolation import describe
from projections.read_model import ReadModel
from projections.statements import beside
from schemas.envelope import Recorded

log = structlog.get_logger()

_ADD = beside(__file__, "add").encode()
_PARK = beside(__file__, "park").encode()
_LIST = beside(__file__, "list").encode()
_WAITING = beside(__file__, "waiting").encode()
_NOTE = beside(__file__, "note").encode()

_STILL_PARKED = """
    UPDATE read.parked_keys
       SET event_id = %(event_id)s, position = %(position)s, error = %(error)s, tries = tries + 1
     WHERE read_model = %(read_model)s AND generation = %(generation)s AND stream = %(stream)s
"""
_NO_LONGER_WAITING = """
    DELETE FROM read.parked_facts
     WHERE read_model = %(read_model)s AND generation = %(generation)s AND stream = %(stream)s
       AND (position < %(position)s OR event_id = ANY (%(skipped)s))
"""
_NOT_PARKED_ANY_MORE = """
    DELETE FROM read.parked_keys
     WHERE read_model = %(read_model)s AND generation = %(generation)s AND stream = %(stream)s
"""
_SKIP = (
    "INSERT INTO read.skips (read_model, event_id, position, stream)"
    " VALUES (%(read_model)s, %(event_id)s, %(position)s, %(stream)s) ON CONFLICT DO NOTHING"
)

_FACT_COLUMNS = tuple(field.name for field in fields(Recorded) if field.name not in ("stream", "event"))


class NotParked(Exception):
    """Nothing is parked under this key."""

    def __init__(self, read_model: str, stream: str) -> None:
        super().__init__(
            f"Nothing of {read_model} is parked under {stream}. `python -m consumers parked list` shows what is."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedKey:
    """A stream that stands still in a generation: at which fact and why, how many wait there, how often it was tried."""

    read_model: str
    generation: int
    stream: str
    project_id: str
    event_id: UUID
    position: int
    error: str
    tries: int
    waiting: int
    parked_at: datetime

    @property
    def schema(self) -> str:
        return f"{self.read_model}_{self.generation}"


class Standstill(NamedTuple):
    """How many streams stand still in a read model, in any of its generations, and for how long the first of them has."""

    streams: int
    seconds: float


class Decision(NamedTuple):
    """What an operator decides about a parked key. `by` is their name; a skip needs a reason."""

    kind: Literal["retry", "skip"]
    by: str
    reason: str


class Outcome(NamedTuple):
    """What came of it in one generation: whether the stream goes on, and a sentence that says more."""

    goes_on: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision as it is kept."""

    decided_at: datetime
    decision: Literal["retry", "skip"]
    decided_by: str
    reason: str
    read_model: str
    generation: int
    stream: str
    position: int
    outcome: str


# Folding: what is applied, and what is not.


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], generation: Generation) -> None:
    """Apply to a generation what may and can be applied, in the transaction that moves its checkpoints past these facts.

    Skipped facts are left out, those of parked streams wait, and those that cannot be applied are parked. Raises
    `ReadModelBroken`.
    """
    for refused in isolation.apply_others(_not_waiting(facts, cursor, generation), cursor, generation):
        _park(cursor, generation, refused.facts, describe(refused.error))


def set_aside(facts: Sequence[Recorded], cursor: Cursor[Any], generation: Generation, error: str) -> None:
    """Park these facts of one stream without trying to apply them."""
    if facts := _not_waiting(facts, cursor, generation):
        _park(cursor, generation, facts, error)


def _not_waiting(facts: Sequence[Recorded], cursor: Cursor[Any], generation: Generation) -> Sequence[Recorded]:
    """Let those facts wait whose streams are parked, and return the others but the skipped ones."""
    skipped = _skipped(cursor, generation.model.name, facts)
    parked = _parked_streams(cursor, generation, {fact.stream for fact in facts})
    kept = [fact for fact in facts if fact.event_id not in skipped]
    _add(cursor, generation, [fact for fact in kept if fact.stream in parked])
    return [fact for fact in kept if fact.stream not in parked]


def _park(cursor: Cursor[Any], generation: Generation, facts: Sequence[Recorded], error: str) -> None:
    """Let a stream stand still at the first of these facts, the others behind it."""
    first = facts[0]
    cursor.execute(
        _PARK,
        {
            **_key(generation, first.stream),
            "project_id": first.project_id,
            "event_id": first.event_id,
            "position": first.position,
            "error": error,
        },
    )
    _add(cursor, generation, facts)
    log.error("parked", generation=generation.schema, stream=first.stream, position=first.position, error=error)


def _skipped(cursor: Cursor[Any], read_model: str, facts: Iterable[Recorded]) -> frozenset[UUID]:
    rows = cursor.execute(
        "SELECT event_id FROM read.skips WHERE read_model = %s AND event_id = ANY (%b)",
        [read_model, [fact.event_id for fact in facts]],
    )
    return frozenset(event_id for (event_id,) in rows)


def _parked_streams(cursor: Cursor[Any], generation: Generation, streams: Iterable[str]) -> frozenset[str]:
    """Which of these streams stand still. The lock keeps a retry from taking them up before their new facts wait too."""
    rows = cursor.execute(
        "SELECT stream FROM read.parked_keys WHERE read_model = %s AND generation = %s AND stream = ANY (%b)"
        " ORDER BY stream FOR KEY SHARE",
        [generation.model.name, generation.number, sorted(streams)],
    )
    return frozenset(stream for (stream,) in rows)


def _add(cursor: Cursor[Any], generation: Generation, facts: Sequence[Recorded]) -> None:
    cursor.executemany(
        _ADD,
        [
            {**_key(generation, fact.stream), **{column: getattr(fact, column) for column in _FACT_COLUMNS}}
            for fact in facts
        ],
    )


# What is parked, and what operators decide about it.


def parked(connection: Connection[Any], models: Iterable[ReadModel]) -> Sequence[ParkedKey]:
    """Everything that stands still in these read models, the oldest first."""
    with connection.cursor(row_factory=class_row(ParkedKey)) as cursor:
        return cursor.execute(_LIST, [[model.name for model in models]]).fetchall()


def standing_still(connection: Connection[Any], generation: Generation, stream: str) -> ParkedKey | None:
    """A stream that is parked in this generation; None where it is not. It stays as it is until the transaction ends."""
    locked = connection.execute(
        "SELECT FROM read.parked_keys WHERE read_model = %s AND generation = %s AND stream = %s FOR UPDATE",
        [generation.model.name, generation.number, stream],
    ).fetchone()
    if locked is None:
        return None
    [key] = [
        key for key in parked(connection, [generation.model]) if (key.schema, key.stream) == (generation.schema, stream)
    ]
    return key


def standstills(connection: Connection[Any]) -> Mapping[str, Standstill]:
    """How many streams stand still, by read model; those in which none does are left out."""
    rows = connection.execute(
        "SELECT read_model, count(DISTINCT stream), extract(epoch FROM clock_timestamp() - min(parked_at))::float"
        "  FROM read.parked_keys GROUP BY read_model"
    )
    return {read_model: Standstill(streams, seconds) for read_model, streams, seconds in rows}


def decided(connection: Connection[Any], limit: int) -> Sequence[Decided]:
    """The last decisions, the newest first."""
    with connection.cursor(row_factory=class_row(Decided)) as cursor:
        return cursor.execute(
            "SELECT decided_at, decision, decided_by, reason, read_model, generation, stream, position, outcome"
            "  FROM read.parked_decisions ORDER BY id DESC LIMIT %s",
            [limit],
        ).fetchall()


def decide(
    connection: Connection[Any], model: ReadModel, stream: str, decision: Decision
) -> Mapping[Generation, Outcome]:
    """Try a parked stream again in every generation in which it stands still, without the fact at which it does where
    that is to be skipped. Returns what came of it. Raises `NotParked`.

    A decision is kept with its outcome, in the transaction in which it takes effect.
    """
    with connection.transaction(), connection.cursor() as cursor:
        # Locked, so that a projector that has more of this stream waits until this is over.
        keys = cursor.execute(
            "SELECT generation, event_id, position FROM read.parked_keys WHERE read_model = %s AND stream = %s"
            " ORDER BY generation FOR UPDATE",
            [model.name, stream],
        ).fetchall()
        if not keys:
            raise NotParked(model.name, stream)
        outcomes: dict[Generation, Outcome] = {}
        for number, event_id, position in keys:
            generation = Generation(model, number)
            at = {**_key(generation, stream), "event_id": event_id, "position": position}
            if decision.kind == "skip":
                cursor.execute(_SKIP, at)
            outcomes[generation] = _try_again(cursor, generation, stream)
            cursor.execute(_NOTE, {**at, **decision._asdict(), "outcome": outcomes[generation].sentence})
    return outcomes


def _try_again(cursor: Cursor[Any], generation: Generation, stream: str) -> Outcome:
    """Apply what waits, as far as that goes."""
    waiting = _waiting(cursor, generation, stream)
    skipped = _skipped(cursor, generation.model.name, waiting)
    facts = [fact for fact in waiting if fact.event_id not in skipped]
    for still in isolation.apply_others(facts, cursor, generation):
        first, error = still.facts[0], describe(still.error)
        after = {**_key(generation, stream), "event_id": first.event_id, "position": first.position, "error": error}
        cursor.execute(_STILL_PARKED, after)
        cursor.execute(_NO_LONGER_WAITING, {**after, "skipped": list(skipped)})
        return Outcome(False, f"It still cannot be applied, now at position {first.position}: {error}.")
    cursor.execute(_NOT_PARKED_ANY_MORE, _key(generation, stream))
    return Outcome(True, f"It goes on: {len(facts)} {'fact was' if len(facts) == 1 else 'facts were'} applied.")


def _waiting(cursor: Cursor[Any], generation: Generation, stream: str) -> Sequence[Recorded]:
    with cursor.connection.cursor(row_factory=dict_row, binary=True) as reading:
        rows = reading.execute(_WAITING, _key(generation, stream)).fetchall()
    return [fact_in(row) for row in rows]


def _key(generation: Generation, stream: str) -> dict[str, Any]:
    return {"read_model": generation.model.name, "generation": generation.number, "stream": stream}
