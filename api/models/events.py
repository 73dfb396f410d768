"""A project's own facts, as it pulls them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from api.models.fields import Limit, QueryModel
from schemas.names import EVENTS

LONGEST_WAIT_SECONDS = 25


def _known(types: str) -> str:
    for name in types.split(","):
        if name not in EVENTS:
            raise PydanticCustomError(
                "event_type_unknown",
                "There is no event type of this name; known are {known}.",
                {"known": ", ".join(EVENTS)},
            )
    return types


class EventsQuery(QueryModel):
    after: Annotated[
        int,
        Field(
            ge=0,
            lt=2**53,
            description="`next_after` of the answer before, or the position of your last event; 0 to begin.",
        ),
    ] = 0
    types: Annotated[
        str | None,
        AfterValidator(lambda types: types if types is None else _known(types)),
        Field(max_length=2_000, description="Only these event types, separated by commas."),
    ] = None
    limit: Limit = 100
    wait: Annotated[
        int,
        Field(
            ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait for the first event where there is none yet."
        ),
    ] = 0

    def wants(self, event_type: str) -> bool:
        return self.types is None or event_type in self.types.split(",")


class EventMetadata(BaseModel):
    """Where the fact stands, and who and what caused it."""

    position: Annotated[
        int, Field(description="Its place in the order of all facts: the cursor, and `ce_position` in Kafka.")
    ]
    stream: Annotated[str, Field(description="The thing that it is about, such as pay_…; `ce_subject` in Kafka.")]
    version: Annotated[int, Field(description="Its place in that stream, from 1.")]
    actor: str
    correlation_id: str
    causation_id: str
    previous_hash: str
    hash: Annotated[str, Field(description="SHA-256 over this fact and the hash before it, hexadecimal.")]


class Event(BaseModel):
    """One fact, the same as in Kafka. `data` holds the fields of its Avro record."""

    id: str
    type: str
    source: str
    timestamp: datetime
    project_id: str
    data: dict[str, Any]
    metadata: EventMetadata


class EventsAnswer(BaseModel):
    """Facts in order. Keep `next_after` with what you made of them: it is where to go on, however often you ask."""

    events: list[Event]
    next_after: int
    has_more: Annotated[bool, Field(description="Whether asking again at once would bring more.")]
