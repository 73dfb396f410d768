"""Cursors: where a page ended, in a form that callers pass on without reading it."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

from api.errors import CursorInvalid

_VERSION = 1
_LONGEST = 512


def encode(*place: str | int) -> str:
    """A place in a list, such as a time and an id."""
    text = json.dumps([_VERSION, *place], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, *types: type[str] | type[int]) -> list[str | int]:
    """The place again, once each of its parts is of its type. Raises `CursorInvalid`."""
    place: list[str | int]
    try:
        padded = cursor[:_LONGEST].encode() + b"=" * (-len(cursor) % 4)
        version, *place = json.loads(urlsafe_b64decode(padded))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise CursorInvalid from error
    if version != _VERSION or [type(part) for part in place] != list(types):
        raise CursorInvalid
    return place
