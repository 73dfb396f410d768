"""How a moment is written: as text in headers, hashes and JSON, and as a number in Avro. UTC, to the microsecond."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_text(moment: datetime) -> str:
    """`2026-03-01T12:00:00.000000Z`, always with six digits. ValueError for a moment without a zone."""
    text = moment.isoformat("T", "microseconds")
    if text.endswith("+00:00"):
        return text[:26] + "Z"
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone, so nobody can say when it was")
    return to_text(moment.astimezone(UTC))


def from_text(text: str) -> datetime:
    """What `to_text` wrote. Raises ValueError for any other form."""
    if len(text) != 27 or text[26] != "Z":
        raise ValueError(f"{text!r} is not of the form YYYY-MM-DDThh:mm:ss.ffffffZ")
    return datetime.fromisoformat(text)


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970 (UTC). Raises TypeError for a moment without a zone."""
    return (moment - _EPOCH) // _MICROSECOND
