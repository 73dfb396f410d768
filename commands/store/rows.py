"""What one command writes, as rows: built here for every store that takes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from uuid_utils.compat import uuid7

from commands.ports import Context, Deadline, Decide, Decided, Receipt
from commands.store.deadlines import due_times
from commands.store.outcome import Outcome
from commands.store.refs import Ref, owned, refs
from commands.store.states import Folded, FoldedStreams
from domain.errors import DomainError
from domain.streams import Facts
from schemas import codec, names
from vault.port import SealedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A fact, encoded once: `payload` is the value that Kafka gets. What all facts of a command share is its context's."""

    stream: str
    version: int
    topic: str
    type: str
    event_id: UUID
    schema_id: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """All that one command writes: its outcome, its facts in order, the streams of the outside ids and the times they name.

    `after` has the streams that get facts as they stand once these are recorded: what cannot be folded is not written. A
    refused command writes its refusal and nothing else; what it would have sealed is not kept.
    """

    context: Context
    outcome: Outcome
    events: Sequence[EventRow] = ()
    refs: Mapping[Ref, str] = field(default_factory=dict)
    deadlines: Sequence[Deadline] = ()
    sealed: Sequence[SealedRecord] = ()
    after: Mapping[str, Folded] = field(default_factory=dict)
    error: DomainError | None = None

    def receipt(self) -> Receipt:
        """What to tell the one who asked, now that it is recorded. Raises the refusal, where it was one."""
        if self.error is not None:
            raise self.error
        assert self.outcome.answer is not None, "a command came to an answer or to a refusal"
        return Receipt(self.outcome.answer, self.outcome.versions, replayed=False)


def decide_on(states: FoldedStreams, context: Context, decide: Decide) -> Write:
    """Take a decision, and write down what it came to: facts and an answer, or a refusal."""
    try:
        decided = decide(states)
    except DomainError as error:
        return _refused(states, context, error)
    return _decided(states, context, decided)


def _refused(states: FoldedStreams, context: Context, error: DomainError) -> Write:
    outcome = Outcome(
        fingerprint=context.fingerprint, answer=None, refusal=error.as_recorded(), versions=states.versions()
    )
    return Write(context=context, outcome=outcome, error=error)


def _decided(states: FoldedStreams, context: Context, decided: Decided) -> Write:
    versions, after = states.versions(), states.after(decided.facts)
    events: list[EventRow] = []
    streams_of_refs: dict[Ref, str] = {}
    for stream, event in _in_order(decided.facts):
        versions[stream] = versions.get(stream, 0) + 1
        events.append(event_row(stream, versions[stream], event, context.actor))
        streams_of_refs.update(dict.fromkeys(refs(event), stream))
        if versions[stream] == 1:
            streams_of_refs.update(dict.fromkeys(owned(stream, event, context.project_id), stream))
    last = {event.stream: event.event_id for event in events}
    after = {stream: folded._replace(last=last[stream]) for stream, folded in after.items()}
    outcome = Outcome(fingerprint=context.fingerprint, answer=decided.answer, refusal=None, versions=versions)
    return Write(
        context=context,
        outcome=outcome,
        events=events,
        refs=streams_of_refs,
        deadlines=list(_deadlines(decided.facts, context.project_id)),
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


def _deadlines(facts: Sequence[Facts], project_id: str) -> Iterator[Deadline]:
    for part in facts:
        for event in part.events:
            for due_at in due_times(event):
                yield Deadline(part.stream.kind.topic, part.stream.id, due_at, project_id)


def _in_order(facts: Sequence[Facts]) -> Iterator[tuple[str, object]]:
    return ((part.stream.id, event) for part in facts for event in part.events)
