"""Arrays that we write in Postgres's binary form are read by Postgres as what they are."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

import pytest

from commands.store.arrays import Array, blobs, integers, moments, texts, uuids
from runtime.postgres import Pool

BEFORE, AFTER = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2199, 2, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "array", "values"),
    [
        ("SELECT %b::text[]", texts(["", "a", 'äöü €\n"\\{},']), ["", "a", 'äöü €\n"\\{},']),
        ("SELECT %b::text[]", texts([None, "NULL", None]), [None, "NULL", None]),
        ("SELECT %b::text[]", texts([]), []),
        ("SELECT %b::bytea[]", blobs([b"", b"\0\xff"]), [b"", b"\0\xff"]),
        (
            "SELECT %b::uuid[]",
            uuids([UUID(int=0), None, UUID(int=2**128 - 1)]),
            [UUID(int=0), None, UUID(int=2**128 - 1)],
        ),
        ("SELECT %b::int4[]", integers([0, -(2**31), 2**31 - 1]), [0, -(2**31), 2**31 - 1]),
        ("SELECT %b::timestamptz[]", moments([BEFORE, None, AFTER]), [BEFORE, None, AFTER]),
    ],
)
async def test_an_array_arrives_as_it_was_meant(
    query: LiteralString, array: Array, values: Sequence[object], connections: Pool
) -> None:
    async with connections.connection() as connection:
        assert await (await connection.execute(query, (array,), binary=True)).fetchone() == (values,)
