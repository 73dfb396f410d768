"""Postgres arrays in their binary form, made whole: what psycopg makes of lists costs a call or two for each element.

The form is that of `array_recv`: number of dimensions, whether there are nulls, the element type's oid, then length and
lower bound of the one dimension, then each element behind its length in four bytes (-1: null).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct, pack
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_HEAD = Struct(">5i")
_LENGTH = Struct(">i").pack
_NULL = _LENGTH(-1)
_UUID_LENGTH = _LENGTH(16)
_POSTGRES_BEGINS, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

# From pg_type.
_BYTEA, _INT4, _TEXT, _TIMESTAMPTZ, _UUID = 17, 23, 25, 1184, 2950


class Array(bytes):
    """An array as Postgres reads it. Which type it has is said by the statement: `%(ids)b::uuid[]`."""


class _AsItIs(Dumper):
    format = Format.BINARY
    oid = 0  # Whatever the statement says.

    def dump(self, obj: Any) -> Buffer:
        return bytes(obj)


psycopg.adapters.register_dumper(Array, _AsItIs)


def texts(values: Sequence[str | None]) -> Array:
    return _array(_TEXT, len(values), (_bytes(None if each is None else each.encode()) for each in values))


def blobs(values: Sequence[bytes]) -> Array:
    return _array(_BYTEA, len(values), map(_bytes, values))


def uuids(values: Sequence[UUID | None]) -> Array:
    return _array(_UUID, len(values), [_NULL if each is None else _UUID_LENGTH + each.bytes for each in values])


def integers(values: Sequence[int]) -> Array:
    """Of four bytes each."""
    elements = [part for each in values for part in (4, each)]
    return _array(_INT4, len(values), [pack(f">{len(elements)}i", *elements)])


def moments(values: Sequence[datetime | None]) -> Array:
    """Times with a zone, to the microsecond."""
    return _array(_TIMESTAMPTZ, len(values), map(_moment, values))


def _array(oid: int, count: int, elements: Iterable[bytes]) -> Array:
    if not count:
        return Array(pack(">3i", 0, 0, oid))
    return Array(_HEAD.pack(1, 1, oid, count, 1) + b"".join(elements))


def _bytes(value: bytes | None) -> bytes:
    return _NULL if value is None else _LENGTH(len(value)) + value


def _moment(value: datetime | None) -> bytes:
    return _NULL if value is None else pack(">iq", 8, (value - _POSTGRES_BEGINS) // _MICROSECOND)
