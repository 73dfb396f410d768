"""A fact as it was recorded: the event and everything that is known about it besides."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas import times


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What stands around an event from the moment it is recorded. Times are UTC, with microseconds.

    `topic` is the logical one (`payments`), without the prefix that a broker adds. `actor` is `type:id`
    (`key:key_…`, `operator:operator`, `gateway:stripe`, `system:reconciler`). `correlation_id` is the id of the request that
    began it; `causation_id` the command's id, or the gateway's event id (`evt_…`). None of them is ever empty.
    """

    event_id: UUID
    type: str
    topic: str
    stream: str
    version: int
    recorded_at: datetime
    project_id: str
    actor: str
    correlation_id: str
    causation_id: str


class Written(NamedTuple):
    """An envelope as hash and headers have it: text in UTF-8, numbers in decimal digits. In the order in which it is hashed.

    Both are made of these same bytes, so that who publishes many facts writes each of them down once.
    """

    topic: bytes
    stream: bytes
    event_id: bytes
    type: bytes
    version: bytes
    recorded_at: bytes
    project_id: bytes
    correlation_id: bytes
    causation_id: bytes


def written(envelope: Envelope) -> Written:
    """Write an envelope down. ValueError where its time has no zone."""
    return Written(
        topic=envelope.topic.encode(),
        stream=envelope.stream.encode(),
        event_id=str(envelope.event_id).encode(),
        type=envelope.type.encode(),
        version=b"%d" % envelope.version,
        recorded_at=times.to_text(envelope.recorded_at).encode(),
        project_id=envelope.project_id.encode(),
        correlation_id=envelope.correlation_id.encode(),
        causation_id=envelope.causation_id.encode(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Envelope):
    """A published fact as a reader of the log sees it. `event` is the domain's dataclass; None where its type is unknown.

    `value` is the Avro body in the Confluent wire format, the bytes that were hashed. Positions count from 1 without a gap.
    """

    position: int
    event: object | None
    value: bytes
    previous_hash: bytes
    hash: bytes
