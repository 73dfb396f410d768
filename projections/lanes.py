"""Lanes: generations shared out among connections, which fold the same batches side by side.

One fold alone keeps one core busy: while Postgres writes rows the interpreter waits, and the other way round. Generations
have checkpoints of their own, so each lane commits by itself; after a death each goes on from where it stood.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from psycopg import Connection

from eventlog.log import Batch
from projections import folding
from projections.checkpoints import Checkpoints

_TURN_SECONDS = 0.001


def take_short_turns() -> None:
    """Let the threads of this process take turns that are fit for lanes.

    One that has heard from Postgres waits for the interpreter until the others have had their turns, 5 ms each as Python
    comes, and hears from it some hundred times in a batch.
    """
    sys.setswitchinterval(_TURN_SECONDS)


class Lanes:
    """Folds batches in threads, one for each connection that has something to do. A context: its end waits for them."""

    def __init__(self, connections: Sequence[Connection[Any]], held: Checkpoints) -> None:
        """`held` are checkpoints that are ours."""
        shares = [share for share in _shared_out(held, len(connections)) if share]
        self._lanes = [_Lane(connection, share) for connection, share in zip(connections, shares, strict=False)]
        self._threads = ThreadPoolExecutor(len(connections), "folding")

    @property
    def held(self) -> Checkpoints:
        """Where all stood when they were last waited for."""
        return {generation: places for lane in self._lanes for generation, places in lane.held.items()}

    def fold(self, batches: Sequence[Batch]) -> None:
        """Wait until the batches before are folded, and begin with these. Raises what `folding.fold` raised for those."""
        self.finish()
        for lane in self._lanes:
            lane.folding = self._threads.submit(folding.fold, lane.connection, lane.held, batches)

    def finish(self) -> Checkpoints:
        """Wait until everything is folded, and return where all stand then. Raises as `fold` does."""
        for lane in self._lanes:
            if lane.folding is not None:
                lane.held = lane.folding.result()
        return self.held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._threads.shutdown()


@dataclass(slots=True)
class _Lane:
    """Some generations over one connection. What failed stays in `folding`, so that nothing is begun after it."""

    connection: Connection[Any]
    held: Checkpoints
    folding: Future[Checkpoints] | None = None


def _shared_out(held: Checkpoints, count: int) -> Sequence[Checkpoints]:
    """Checkpoints in so many shares of about as much work: who reads the most topics has the most to fold."""
    shares: list[Checkpoints] = [{} for _ in range(count)]
    for generation in sorted(held, key=lambda generation: len(generation.model.topics), reverse=True):
        place = min(range(count), key=lambda number: _topics(shares[number]))
        shares[place] = {**shares[place], generation: held[generation]}
    return shares


def _topics(share: Checkpoints) -> int:
    return sum(len(generation.model.topics) for generation in share)
