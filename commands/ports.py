"""What a handler needs of the event store, and what it gives it: the seam between deciding and recording."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID, uuid5

from domain.errors import DomainError, ErrorType
from domain.streams import Facts, Stream
from vault.port import SealedRecord

S = TypeVar("S")
E = TypeVar("E")

Answer = Mapping[str, Any]  # JSON values only: it is kept with the command and given again word for word


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who asks, when, and under which id. The command id makes a command happen once, however often it is asked.

    `fingerprint` tells apart two commands that claim one id. `sealed` records are written to the vault with the facts.
    """

    command_id: UUID
    fingerprint: bytes
    project_id: str
    actor: str
    request_id: str
    causation_id: str
    now: datetime
    sealed: tuple[SealedRecord, ...] = ()

    def step(self, name: str) -> "Context":
        """The context of a later commit of the same command, with an id derived from the first: `…/opened`."""
        return replace(self, command_id=uuid5(self.command_id, name), sealed=())

    def for_project(self, project_id: str) -> "Context":
        return replace(self, project_id=project_id)

    def sealing(self, *records: SealedRecord) -> "Context":
        return Context(  # Written out: every command comes by here, and `replace` takes twice as long.
            command_id=self.command_id,
            fingerprint=self.fingerprint,
            project_id=self.project_id,
            actor=self.actor,
            request_id=self.request_id,
            causation_id=self.causation_id,
            now=self.now,
            sealed=(*self.sealed, *records),
        )


class States(Protocol):
    """The streams that a decision was promised, as they stand."""

    def __getitem__(self, stream: Stream[S, E]) -> S | None: ...


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision came to: facts to record, over one or several streams, and the answer to give."""

    facts: Sequence[Facts]
    answer: Answer


@dataclass(frozen=True, slots=True)
class Receipt:
    """A command was recorded. `versions` holds every stream of its commit with the version it has now."""

    answer: Answer
    versions: Mapping[str, int]
    replayed: bool


@dataclass(frozen=True, slots=True)
class Deadline:
    """From `due_at` on, time alone has changed something in a stream, which somebody has still to record."""

    topic: str
    stream_id: str
    due_at: datetime
    project_id: str


Decide = Callable[[States], Decided]


class EventStore(Protocol):
    """The write side's memory. Raises `StoreUnavailable` where Postgres does not answer."""

    async def load(self, stream: Stream[S, E]) -> S | None:
        """A stream's state, from committed facts only; None where nothing happened yet."""
        ...

    async def record(self, context: Context, streams: Sequence[Stream[Any, Any]], decide: Decide) -> Receipt:
        """Decide on these streams and record facts, answer and sealed records in one commit, once per command id.

        `decide` is pure and may run again, when a rival was faster. A `DomainError` that it raises is recorded too, then
        raised, and raised again for each retry; not one of type `system_error` or `rate_limited`, which the next try may not
        meet again. Raises `IdempotencyKeyReused` where the id stands with another fingerprint.
        """
        ...

    async def receipt(self, context: Context) -> Receipt | None:
        """What this command came to, if it was recorded: the receipt, or the recorded refusal raised again."""
        ...

    async def find(self, kind: str, value: str) -> str | None:
        """The stream id that an outside id (`checkout` `cs_…`, `gateway_payment` `pi_…`) belongs to."""
        ...

    async def owned(self, customer_id: str, prefix: str) -> Sequence[str]:
        """The ids of a customer's streams that begin so: wallets with `wal_`, subscriptions with `sub_`."""
        ...

    async def due(self, topic: str, now: datetime, limit: int) -> Sequence[Deadline]:
        """Deadlines of a topic's streams that have come, the longest due first. The facts that set them are recorded."""
        ...

    async def met(self, deadlines: Sequence[Deadline]) -> None:
        """What was due there is recorded."""
        ...

    async def put_off(self, deadlines: Sequence[Deadline], until: datetime) -> None:
        """What was due there could not be recorded: it is due again then, once for each stream."""
        ...

    async def take_lease(self, command_id: UUID, seconds: float) -> bool:
        """Whether this process may go on with a recorded command that has further steps; False while another one does."""
        ...

    async def end_lease(self, command_id: UUID) -> None:
        """Let others go on with it at once."""
        ...


class IdempotencyKeyReused(DomainError):
    """One key, two different requests."""

    type: ErrorType = "idempotency_error"
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used with another request before; send the same body again, or take a new key."
        )


class CommandInProgress(DomainError):
    """Another process is still at it."""

    type: ErrorType = "conflict"
    code = "command_in_progress"
    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still being worked on; ask again in a moment.")


class StoreUnavailable(DomainError):
    """Postgres does not answer. Nothing is known to be recorded: a retry with the same key is safe."""

    type: ErrorType = "system_error"
    code = "store_unavailable"
    retry_after_seconds = 2

    def __init__(self) -> None:
        super().__init__("The event store does not answer; ask again in a moment with the same Idempotency-Key.")


class StreamsBusy(DomainError):
    """Rivals on the same streams were faster every time."""

    type: ErrorType = "system_error"
    code = "streams_busy"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__(
            "Many commands change the same thing at once; ask again in a moment with the same Idempotency-Key."
        )
