"""What one command writes, as rows: built here for every store that takes them."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from commands.ports import Context, Deadline, Decide, Decided, Receipt
from commands.store.deadlines import due_times
from commands.store.outcome import Outcome
from commands.store.refs import Ref, owned, refs
from commands.store.states import Folded, FoldedStreams
from domain.errors import DomainError, ErrorType
from schemas import codec, names
from vault.port import SealedRecord

_NONE: Mapping[Any, Any] = MappingProxyType({})

# Refusals for want of something that may be there at the next try. One of them, recorded, would refuse a command for ever.
_OF_THE_MOMENT: Collection[ErrorType] = ("system_error", "rate_limited")


class EventRow(NamedTuple):
    """A fact, encoded once: `payload` is the value that Kafka gets. What all facts of a command share is its context's."""

    stream: str
    version: int
    topic: str
    type: str
    event_id: UUID
    schema_id: int
    payload: bytes


class Write(NamedTuple):
    """All that one command writes: its outcome, its facts in order, the streams of the outside ids and the times they name.

    `after` has the streams that get facts as they stand once these are recorded: what cannot be folded is not written. A
    refused command writes its refusal and nothing else; what it would have sealed is not kept.
    """

    context: Context
    outcome: Outcome
    events: Sequence[EventRow] = ()
    refs: Mapping[Ref, str] = _NONE
    deadlines: Sequence[Deadline] = ()
    sealed: Sequence[SealedRecord] = ()
    after: Mapping[str, Folded] = _NONE
    error: DomainError | None = None

    def receipt(self) -> Receipt:
        """What to tell the one who asked, now that it is recorded. Raises the refusal, where it was one."""
        if self.error is not None:
            raise self.error
        assert self.outcome.answer is not None, "a command came to an answer or to a refusal"
        return Receipt(self.outcome.answer, self.outcome.versions, replayed=False)


def decide_on(states: FoldedStreams, context: Context, decide: Decide) -> Write:
    """Take a decision, and write down what it came to: facts and an answer, or a refusal.

    Raises whatever is no decision: a fault, or a `DomainError` that says something of the moment only.
    """
    try:
        decided = decide(states)
    except DomainError as error:
        if error.type in _OF_THE_MOMENT:
            raise
        return _refused(states, context, error)
    return _decided(states, context, decided)


def _refused(states: FoldedStreams, context: Context, error: DomainError) -> Write:
    outcome = Outcome(
        fingerprint=context.fingerprint, answer=None, refusal=error.as_recorded(), versions=states.versions()
    )
    return Write(context=context, outcome=outcome, error=error)


def _decided(states: FoldedStreams, context: Context, decided: Decided) -> Write:
    """In one walk over the facts: every command comes by here, and most have one fact that names nothing outside."""
    after: dict[str, Folded] = {}
    events: list[EventRow] = []
    streams_of_refs: dict[Ref, str] = {}
    deadlines: list[Deadline] = []
    for part in decided.facts:
        stream, evolve = part.stream.id, part.stream.kind.evolve
        for event in part.events:
            state, version, _ = after.get(stream) or states.folded(stream)
            row = event_row(stream, version + 1, event, context.actor)
            events.append(row)
            after[stream] = Folded(evolve(state, event), version + 1, row.event_id)
            for ref in refs(event):
                streams_of_refs[ref] = stream
            if version == 0:
                streams_of_refs.update(dict.fromkeys(owned(stream, event, context.project_id), stream))
            deadlines += [Deadline(row.topic, stream, due_at, context.project_id) for due_at in due_times(event)]
    versions = states.versions()
    for stream, folded in after.items():
        versions[stream] = folded.version
    return Write(
        context=context,
        outcome=Outcome(fingerprint=context.fingerprint, answer=decided.answer, refusal=None, versions=versions),
        events=events,
        refs=streams_of_refs,
        deadlines=deadlines,
        sealed=context.sealed,
        after=after,
    )


def event_row(stream: str, version: int, event: object, actor: str) -> EventRow:
    """One fact as a row, with an id of its own (UUIDv7). KeyError where `schemas.names` lacks its type."""
    event_type = names.name_of(event)
    schema_id, payload = codec.encode(event, actor)
    return EventRow(
        stream=stream,
        version=version,
        topic=names.topic_of(event_type),
        type=event_type,
        event_id=uuid7(),
        schema_id=schema_id,
        payload=payload,
    )
