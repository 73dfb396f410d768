"""The place in the past that a read may be asked to show."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.models.fields import QueryModel
from projections.as_of import AsOf, parse


def _parse(text: str) -> AsOf:
    try:
        return parse(text)
    except ValueError as error:
        raise PydanticCustomError("as_of_invalid", "{sentence}", {"sentence": str(error)}) from None


class AsOfQuery(QueryModel):
    """Show it as it was shown then, and not as it stands."""

    as_of: Annotated[
        int | datetime | None,
        PlainValidator(_parse),
        WithJsonSchema(
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "format": "date-time"}, {"type": "null"}]}
        ),
        Field(description="A position, or a time (RFC 3339): what was shown once everything up to there was."),
    ] = None
