"""The event store's twin in memory, for tests: the same contract, the same bytes, nothing that outlives the process."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from commands.ports import Context, Deadline, Decide, Receipt
from commands.store.outcome import Outcome
from commands.store.refs import Ref
from commands.store.rows import EventRow, Write, decide_on
from commands.store.states import FoldedStreams, StoredFact, fold
from domain.streams import Stream
from schemas import codec
from vault.port import SealedRecord

S = TypeVar("S")
E = TypeVar("E")


class MemoryStore:
    """An `EventStore` whose records a test can read: `events`, `rows`, `refs`, `deadlines`, `sealed`."""

    def __init__(self) -> None:
        self.rows: list[EventRow] = []
        self.refs: dict[Ref, str] = {}
        self.deadlines: set[Deadline] = set()
        self.sealed: dict[tuple[str, str, str], SealedRecord] = {}
        self._inbox: dict[UUID, Outcome] = {}
        self._leases: dict[UUID, float] = {}

    @property
    def events(self) -> Sequence[object]:
        """Every event that was recorded, over all streams, in order."""
        return [codec.decode(row.payload).event for row in self.rows]

    def events_of(self, stream_id: str) -> Sequence[object]:
        """The events of one stream, in order."""
        return [codec.decode(row.payload).event for row in self.rows if row.stream == stream_id]

    async def load(self, stream: Stream[S, E]) -> S | None:
        return self._states([stream])[stream]

    async def record(self, context: Context, streams: Sequence[Stream[Any, Any]], decide: Decide) -> Receipt:
        receipt = await self.receipt(context)
        if receipt is not None:
            return receipt
        write = decide_on(self._states(streams), context, decide)
        self._append(write)
        return write.receipt()

    async def receipt(self, context: Context) -> Receipt | None:
        outcome = self._inbox.get(context.command_id)
        return outcome.replay(context) if outcome else None

    async def find(self, kind: str, value: str) -> str | None:
        return self.refs.get(Ref(kind, value))

    async def owned(self, customer_id: str, prefix: str) -> Sequence[str]:
        mine = f"{customer_id}/{prefix}"
        return sorted(id for ref, id in self.refs.items() if ref.kind == "owned" and ref.value.startswith(mine))

    async def due(self, topic: str, now: datetime, limit: int) -> Sequence[Deadline]:
        due = [deadline for deadline in self.deadlines if deadline.topic == topic and deadline.due_at <= now]
        return sorted(due, key=lambda deadline: (deadline.due_at, deadline.stream_id))[:limit]

    async def met(self, deadlines: Sequence[Deadline]) -> None:
        self.deadlines -= set(deadlines)

    async def put_off(self, deadlines: Sequence[Deadline], until: datetime) -> None:
        were = self.deadlines & set(deadlines)
        self.deadlines = (self.deadlines - were) | {replace(deadline, due_at=until) for deadline in were}

    async def take_lease(self, command_id: UUID, seconds: float) -> bool:
        now = time.monotonic()
        if command_id not in self._inbox or self._leases.get(command_id, 0.0) > now:
            return False
        self._leases[command_id] = now + seconds
        return True

    async def end_lease(self, command_id: UUID) -> None:
        self._leases.pop(command_id, None)

    def _states(self, streams: Sequence[Stream[Any, Any]]) -> FoldedStreams:
        asked = {stream.id for stream in streams}
        facts = (
            StoredFact(row.stream, row.version, row.event_id, row.payload) for row in self.rows if row.stream in asked
        )
        return FoldedStreams(fold(streams, facts))

    def _append(self, write: Write) -> None:
        self._inbox[write.context.command_id] = write.outcome.as_read()
        self.rows += write.events
        self.refs = {**write.refs, **self.refs}
        self.deadlines.update(write.deadlines)
        for record in write.sealed:
            self.sealed.setdefault((record.owner, record.kind, record.id), record)
