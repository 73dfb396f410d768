"""Reading fields of Stripe's objects that must be there, and saying which one is not."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Plain = Mapping[str, Any]  # a Stripe object as its JSON has it


class ShapeUnknown(Exception):
    """A Stripe object without what all generations of it have. Names the field and never shows its value."""

    def __init__(self, source: Plain, name: str) -> None:
        kind = source.get("object")
        article = f"a {kind}" if isinstance(kind, str) else "an object of no kind"
        super().__init__(
            f"Stripe sent {article} whose field `{name}` is missing or not what it was in any API version."
        )


def text(source: Plain, name: str) -> str:
    """A field that holds a string with something in it."""
    value = source.get(name)
    if not isinstance(value, str) or not value:
        raise ShapeUnknown(source, name)
    return value


def optional_text(source: Plain, name: str) -> str | None:
    """A field that holds a string, or is null, empty or left out."""
    return None if source.get(name) in (None, "") else text(source, name)


def whole(source: Plain, name: str) -> int:
    """A field that holds a whole number from zero up: an amount in minor units, a Unix time in seconds."""
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ShapeUnknown(source, name)
    return value


def optional_whole(source: Plain, name: str) -> int | None:
    """A field that holds a whole number from zero up, or is null or left out."""
    return None if source.get(name) is None else whole(source, name)


def moment(source: Plain, name: str) -> datetime:
    """A field that holds a Unix time in seconds."""
    try:
        return datetime.fromtimestamp(whole(source, name), UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise ShapeUnknown(source, name) from error


def optional_moment(source: Plain, name: str) -> datetime | None:
    """A field that holds a Unix time in seconds, or is null or left out."""
    return None if source.get(name) is None else moment(source, name)


def optional_object(source: Plain, name: str) -> Plain | None:
    """A field that holds an object, or is null or left out."""
    value = source.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise ShapeUnknown(source, name)
    return value


def listed(source: Plain, name: str) -> Sequence[Plain]:
    """A field that holds a list of Stripe's: the objects in it."""
    page = source.get(name)
    data = page.get("data") if isinstance(page, Mapping) else None
    if not isinstance(data, Sequence) or not all(isinstance(item, Mapping) for item in data):
        raise ShapeUnknown(source, name)
    return data


def reference(source: Plain, name: str) -> str | None:
    """The id of the object that a field refers to, whether it was expanded or not; None where it refers to nothing."""
    value = source.get(name)
    return text(value, "id") if isinstance(value, Mapping) else optional_text(source, name)


def metadata(source: Plain, name: str) -> str | None:
    """What Stripe was told under this name with the object, if it was text."""
    told = inner(source, "metadata").get(name)
    return told if isinstance(told, str) and told else None


def payment_id(source: Plain) -> str | None:
    """Our payment's id, as Stripe was told it with the object; None on objects that others made.

    An invoice has it from its subscription, whose metadata it copies: under `parent` since 2025-03-31, beside it before.
    """
    invoiced = [inner(inner(source, "parent"), "subscription_details"), inner(source, "subscription_details")]
    told = [source.get("client_reference_id")]
    told += [inner(place, "metadata").get("payment_id") for place in (source, *invoiced)]
    return next((id for id in told if isinstance(id, str) and id.startswith("pay_")), None)


def inner(source: Plain, name: str) -> Plain:
    """The object in a field; an empty one where there is none."""
    value = source.get(name)
    return value if isinstance(value, Mapping) else {}
