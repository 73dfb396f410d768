"""How far sets of topics are filled, as the store knows: the publisher fills one; others were filled, or are just now."""

from typing import Any, NamedTuple

from psycopg import Connection

_REACH = """
    SELECT coalesce(p.first_position, 1),
           CASE WHEN live.prefix IS NULL OR live.prefix = %(prefix)s THEN live.published ELSE coalesce(p.published, 0) END
      FROM store.publisher live LEFT JOIN store.publications p ON p.prefix = %(prefix)s
"""
_FURTHEST = """
    SELECT greatest(live.published, (SELECT max(published) FROM store.publications)) FROM store.publisher live
"""


class Reach(NamedTuple):
    """Topics begin with the fact at `first`, and Kafka has acknowledged everything from there up to `published`."""

    first: int
    published: int


def reach(connection: Connection[Any], prefix: str) -> Reach:
    """What the topics under a prefix hold; nothing where nobody ever sent anything there."""
    row = connection.execute(_REACH, {"prefix": prefix}).fetchone()
    assert row is not None, "the migrations insert the publisher's row"
    return Reach(*row)


def furthest(connection: Connection[Any]) -> int:
    """The highest position that Kafka has ever acknowledged, under whichever prefix."""
    row = connection.execute(_FURTHEST).fetchone()
    assert row is not None, "the migrations insert the publisher's row"
    return int(row[0])
