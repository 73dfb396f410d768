"""The place in the past that a read may be asked to show."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.models.fields import Moment, QueryModel

_MOMENT = TypeAdapter[datetime](Moment)
_LONGEST = 18  # Digits: what is longer is no position that Postgres could hold.


def _as_of(text: str) -> int | datetime:
    if text.isascii() and text.isdecimal() and len(text) <= _LONGEST:
        return int(text)
    try:
        return _MOMENT.validate_python(text)
    except ValidationError:
        raise PydanticCustomError(
            "as_of_invalid",
            "Send a position, such as 1234, or a time with its zone, such as 2026-03-01T12:00:00Z (and %2B for a plus).",
        ) from None


class AsOfQuery(QueryModel):
    """Show it as it was shown then, and not as it stands."""

    as_of: Annotated[
        int | datetime | None,
        PlainValidator(_as_of),
        WithJsonSchema(
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "format": "date-time"}, {"type": "null"}]}
        ),
        Field(description="A position, or a time (RFC 3339): what was shown once everything up to there was."),
    ] = None
