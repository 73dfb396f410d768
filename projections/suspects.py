"""Facts of which a process may have died: folded a few at a time until the one that kills stands alone, and that is parked.

Nobody can ask a dead process what it was doing. So every piece is marked before it is folded, and whoever comes after the
next death finds the mark and cuts that piece smaller.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from eventlog.log import Batch
from projections import checkpoints, steps
from projections.checkpoints import Checkpoint, Checkpoints, Move
from projections.generations import Generation
from projections.steps import Step
from schemas.envelope import Recorded

_PIECES = 64
_ATTEMPTS = 2  # So often somebody must have died of one fact and nothing else.
_KILLS = f"The process that applied it died, {_ATTEMPTS} times in a row."


def fold(connection: Connection[Any], held: Checkpoints, batches: Sequence[Batch]) -> Checkpoints:
    """Fold what is suspect among these facts, each generation and source by itself, and return where all stand then."""
    for generation in held:
        for batch in batches:
            held = _fold(connection, held, generation, batch)
    return held


def _fold(connection: Connection[Any], held: Checkpoints, generation: Generation, batch: Batch) -> Checkpoints:
    place = held[generation].get(batch.source)
    facts = _suspects(place, batch)
    size = max(1, len(facts) // _PIECES)
    for start in range(0, len(facts), size):
        step = _step(generation, held[generation][batch.source], batch, facts[start : start + size])
        if _kills(held[generation][batch.source], step):
            steps.park(connection, step, _KILLS)
        else:
            checkpoints.mark(connection, step.moves, alone=True)
            steps.take(connection, [step])
        held = steps.moved(held, [step])
    return held


def _suspects(place: Checkpoint | None, batch: Batch) -> Sequence[Recorded]:
    if place is None or not place.suspect_to:
        return []
    return [fact for fact in batch.facts if place.last_position < fact.position <= place.suspect_to]


def _step(generation: Generation, before: Checkpoint, batch: Batch, facts: Sequence[Recorded]) -> Step:
    """Past these facts by their positions: the offset behind them is known only for the batch as a whole."""
    after = before.moved_to(before.next_offset, facts[-1].position)
    return Step(generation, steps.concerning(generation, facts), [Move(generation, batch.source, before, after)])


def _kills(place: Checkpoint, step: Step) -> bool:
    return place.attempts >= _ATTEMPTS and len(step.facts) == 1 and step.facts[0].position == place.suspect_to
