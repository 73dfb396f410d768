"""Facts as the eventsourcing library's stored events: our type names for its topics, our Avro bytes for its states."""

from dataclasses import dataclass
from typing import cast

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent

from schemas import codec, names


@dataclass(frozen=True)
class RecordedFact:
    """A fact with its place in a stream, as the library wants its events. `event` is one of `schemas.names.EVENTS`."""

    originator_id: str
    originator_version: int
    event: object
    actor: str


class FactMapper(Mapper[str]):
    """Maps `RecordedFact`s, so that what the library writes and what the service writes are the same rows."""

    def __init__(self) -> None:
        """Needs none of the library's transcoders: `schemas.codec` is the one encoding of facts."""

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Raises what `schemas.codec.encode` raises."""
        fact = cast(RecordedFact, domain_event)
        _, state = codec.encode(fact.event, fact.actor)
        return StoredEvent(fact.originator_id, fact.originator_version, names.name_of(fact.event), state)

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """Raises what `schemas.codec.decode` raises."""
        _, event, actor = codec.decode(stored_event.state)
        fact = RecordedFact(str(stored_event.originator_id), stored_event.originator_version, event, actor)
        return cast(DomainEventProtocol[str], fact)
