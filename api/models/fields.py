"""The kinds of values that requests carry, each with its bounds: what passes here is safe to record."""

import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from api import personal
from domain.money import CURRENCIES

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_HOST = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"


class RequestModel(BaseModel):
    """What a caller sends: no field that is not known, no value that must be guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class QueryModel(RequestModel):
    """What a caller asks for in a query string, where every value is text: numbers and times are read from it."""

    model_config = ConfigDict(strict=False)


def _impersonal(value: str) -> str:
    """Refuse what names a person: these values stand in events, which are kept for ever."""
    found = personal.kind_found(value)
    if found is not None:
        raise PydanticCustomError(
            "personal_data",
            "This has {found} in it, and it would be kept for ever; send an id of your own that names nobody.",
            {"found": found},
        )
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port != 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or re.search(r"[\s\\]", value):
        raise PydanticCustomError("url_invalid", "Send a whole web address, such as https://shop.example.com/thanks.")
    if "@" in parts.netloc:
        raise PydanticCustomError("url_invalid", "Send the address without a user name or password in it.")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise PydanticCustomError(
            "url_invalid", "Send an address that begins with https://; http is for localhost only."
        )
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise PydanticCustomError("currency_unknown", "Send an ISO 4217 code in lower case, such as usd.")
    return value


def _moment(value: object) -> object:
    """A moment as RFC 3339 writes it. Anything else is left to be refused for what it is."""
    if not (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise PydanticCustomError("no_such_moment", "There is no such moment in the calendar.") from error


def _not_blank(value: str) -> str:
    if value != value.strip():
        raise PydanticCustomError("blank", "Send it without space at its beginning or end.")
    return value


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE), AfterValidator(_not_blank)]
Email = Annotated[EmailStr, StringConstraints(max_length=254, pattern=_PRINTABLE)]
Domain = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=_HOST)]
Currency = Annotated[
    str,
    AfterValidator(_currency),
    WithJsonSchema({"type": "string", "enum": sorted(CURRENCIES), "description": "ISO 4217, in lower case."}),
]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048, pattern=_PRINTABLE),
    AfterValidator(_url),
    Field(json_schema_extra={"format": "uri"}),
]

UserId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE),
    AfterValidator(_not_blank),
    AfterValidator(_impersonal),
]
Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=500, pattern=_PRINTABLE), AfterValidator(_impersonal)
]
ProductId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"), AfterValidator(_impersonal)
]
PriceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,255}$"), AfterValidator(_impersonal)]
CreditType = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,49})?$")]
Permission = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/*-]{0,99}$"), AfterValidator(_impersonal)
]
MetadataKey = Annotated[
    str, StringConstraints(pattern=r"^[^\u0000-\u001f\u007f-\u009f\[\]]{1,40}$"), AfterValidator(_impersonal)
]
MetadataValue = Annotated[str, StringConstraints(max_length=500, pattern=_PRINTABLE), AfterValidator(_impersonal)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=50)]

FutureMoment = Annotated[
    AwareDatetime,
    BeforeValidator(_moment),
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC), description="RFC 3339."),
]

# In queries, which are not recorded: an id is looked for as it is.
Wanted = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]
CursorText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,512}$")]
Limit = Annotated[int, Field(ge=1, le=100, description="How many at most.")]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC), description="RFC 3339."),
]
