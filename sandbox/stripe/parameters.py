"""What a call accepts: readers that check one parameter each, and refuse in Stripe's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sandbox.stripe.errors import parameter_empty, parameter_invalid, parameter_missing, parameter_unknown
from sandbox.stripe.money import CURRENCIES

# Takes the parameter's full name (for the refusal) and what was sent; returns what the handler works with.
Reader = Callable[[str, Any], Any]

EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def inside(name: str, key: str) -> str:
    """The name of a parameter within another: `a[b]`; within nothing: `b`."""
    return f"{name}[{key}]" if name else key


def record(required: Sequence[str] = (), /, **fields: Reader) -> Reader:
    """A hash of named parameters. Unknown ones are refused before missing ones, as Stripe does."""

    def read(name: str, sent: Any) -> dict[str, Any]:
        if not isinstance(sent, dict):
            raise parameter_invalid("Invalid object", name)
        for key in sent:
            if key not in fields:
                raise parameter_unknown(inside(name, key))
        for key in required:
            if key not in sent:
                raise parameter_missing(inside(name, key))
        return {key: fields[key](inside(name, key), value) for key, value in sent.items()}

    return read


def array(of: Reader, most: int = 100) -> Reader:
    def read(name: str, sent: Any) -> list[Any]:
        if sent == "":
            raise parameter_empty(name)
        if not isinstance(sent, dict) or not all(key.isdecimal() for key in sent):
            raise parameter_invalid("Invalid array", name)
        if len(sent) > most:
            raise parameter_invalid(f"Array exceeded maximum {most} allowed elements.", name)
        return [of(inside(name, index), sent[index]) for index in sorted(sent, key=int)]

    return read


def text(most: int = 5000) -> Reader:
    def read(name: str, sent: Any) -> str:
        if sent == "":
            raise parameter_empty(name)
        if not isinstance(sent, str):
            raise parameter_invalid("Invalid string", name)
        if len(sent) > most:
            raise parameter_invalid(f"Invalid string: {sent[:8]}…; must be at most {most} characters", name)
        return sent

    return read


def choice(*values: str) -> Reader:
    def read(name: str, sent: Any) -> str:
        chosen: str = text()(name, sent)
        if chosen not in values:
            *others, last = values
            offered = f"{', '.join(others)}, or {last}" if others else last
            raise parameter_invalid(f"Invalid {name}: must be one of {offered}", name)
        return chosen

    return read


def integer(least: int | None = None, most: int | None = None) -> Reader:
    def read(name: str, sent: Any) -> int:
        if sent == "":
            raise parameter_empty(name)
        if not isinstance(sent, str) or not re.fullmatch(r"-?[0-9]{1,18}", sent):
            raise parameter_invalid(f"Invalid integer: {sent}", name, "parameter_invalid_integer")
        number = int(sent)
        if least is not None and number < least:
            message = f"This value must be greater than or equal to {least}."
            raise parameter_invalid(message, name, "parameter_invalid_integer")
        if most is not None and number > most:
            message = f"This value must be less than or equal to {most} (it currently is '{number}')."
            raise parameter_invalid(message, name, "parameter_invalid_integer")
        return number

    return read


def boolean() -> Reader:
    def read(name: str, sent: Any) -> bool:
        if sent not in ("true", "false"):
            raise parameter_invalid(f"Invalid boolean: {sent}", name)
        return bool(sent == "true")

    return read


def currency() -> Reader:
    def read(name: str, sent: Any) -> str:
        code: str = text()(name, sent).lower()
        if code not in CURRENCIES:
            offered = ", ".join(sorted(CURRENCIES))
            raise parameter_invalid(
                f"Invalid currency: {code}. Stripe currently supports these currencies: {offered}", name
            )
        return code

    return read


def email() -> Reader:
    def read(name: str, sent: Any) -> str:
        address: str = text(512)(name, sent)
        if not EMAIL.fullmatch(address):
            raise parameter_invalid(f"Invalid email address: {address}", name, "email_invalid")
        return address

    return read


def web_address() -> Reader:
    """An absolute http or https address, whatever the host."""

    def read(name: str, sent: Any) -> str:
        address: str = text()(name, sent)
        try:
            parts = urlsplit(address)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.netloc or " " in address:
            message = "Not a valid URL. URLs must begin with http:// or https://."
            raise parameter_invalid(message, name, "url_invalid")
        return address

    return read


def metadata() -> Reader:
    """At most 50 keys of 40 characters, values of 500. An empty one unsets."""

    def read(name: str, sent: Any) -> dict[str, str]:
        if sent == "":
            return {}
        if not isinstance(sent, dict):
            raise parameter_invalid("Invalid object", name)
        if len(sent) > 50:
            raise parameter_invalid("Metadata cannot have more than 50 keys.", name)
        for key, value in sent.items():
            _check_metadata(inside(name, key), key, value)
        return {key: value for key, value in sent.items() if value != ""}

    return read


def _check_metadata(name: str, key: str, value: Any) -> None:
    if not isinstance(value, str):
        raise parameter_invalid("Metadata values must be strings.", name)
    if len(key) > 40:
        raise parameter_invalid("Metadata keys can't be longer than 40 characters.", name)
    if len(value) > 500:
        raise parameter_invalid("Metadata values can have up to 500 characters.", name)


def metadata_change() -> Reader:
    """As `metadata`, but says which keys to unset: give it to `merged`."""
    checked = metadata()

    def read(name: str, sent: Any) -> dict[str, str] | None:
        checked(name, sent)
        return None if sent == "" else dict(sent)

    return read


def merged(metadata: Mapping[str, str], change: Mapping[str, str] | None) -> dict[str, str]:
    """Metadata after a change: keys with an empty value are gone, all of them where the whole was empty."""
    return {} if change is None else {key: value for key, value in {**metadata, **change}.items() if value != ""}


def unsettable(of: Reader) -> Reader:
    """A parameter that an empty string unsets: None then."""

    def read(name: str, sent: Any) -> Any:
        return None if sent == "" else of(name, sent)

    return read


def either(first: Reader, *words: str) -> Reader:
    """One of the words, or what the reader takes."""

    def read(name: str, sent: Any) -> Any:
        return sent if sent in words else first(name, sent)

    return read


def moment() -> Reader:
    """A filter by time: one second, or a hash of gt, gte, lt, lte."""
    bounds = record(gt=integer(0), gte=integer(0), lt=integer(0), lte=integer(0))

    def read(name: str, sent: Any) -> dict[str, int]:
        if isinstance(sent, dict):
            limits: dict[str, int] = bounds(name, sent)
            return limits
        second = integer(0)(name, sent)
        return {"gte": second, "lte": second}

    return read


def listing(*required: str, **filters: Reader) -> Reader:
    """What every list call accepts, and the filters of this one, some of them required."""
    return record(required, limit=integer(1, 100), starting_after=text(), ending_before=text(), **filters)
