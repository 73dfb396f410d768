"""A fact as JSON, for outgoing webhooks and for projects that pull: the same fact as the Avro, in other words."""

from datetime import datetime
from typing import Any

from schemas import codec, times
from schemas.cloudevents import SOURCE
from schemas.envelope import Recorded


def to_json(recorded: Recorded) -> dict[str, Any]:
    """`{id, type, source, timestamp, project_id, data, metadata}`, JSON values only.

    `data` holds every field that the fact was written with, also of a type that this code does not know.
    """
    data = codec.read_record(recorded.value)
    actor = data.pop("actor")
    return {
        "id": str(recorded.event_id),
        "type": recorded.type,
        "source": SOURCE,
        "timestamp": times.to_text(recorded.recorded_at),
        "project_id": recorded.project_id,
        "data": plain(data),
        "metadata": {
            "position": recorded.position,
            "stream": recorded.stream,
            "version": recorded.version,
            "actor": actor,
            "correlation_id": recorded.correlation_id,
            "causation_id": recorded.causation_id,
            "previous_hash": recorded.previous_hash.hex(),
            "hash": recorded.hash.hex(),
        },
    }


def plain(value: Any) -> Any:
    """An Avro value as JSON has it: a moment as text, the rest as it is."""
    match value:
        case datetime():
            return times.to_text(value)
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
    return value
