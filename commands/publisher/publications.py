"""Publications: the sets of topics to which the log goes or went, and how far each is filled.

The publisher fills one of them. Others were filled before, or are filled by republishing, until the publisher is pointed
to them: it goes on behind the last position that was acknowledged there.
"""

from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from commands.publisher import epoch as epochs
from eventlog.topics import TopicSettings


class Publication(NamedTuple):
    """Topics under a prefix. They begin with `first_position`; Kafka has acknowledged all up to `published`."""

    prefix: str
    partitions: int
    first_position: int
    published: int


def republishing(prefix: str) -> str:
    """The name under which whoever republishes to a prefix is alone at it."""
    return f"republishing to {prefix}"


def find(connection: Connection[Any], prefix: str) -> Publication | None:
    """What is known of the topics under a prefix; None where nobody ever sent anything there."""
    with connection.cursor(row_factory=class_row(Publication)) as cursor:
        return cursor.execute(
            "SELECT prefix, partitions, first_position,"
            "       CASE WHEN live.prefix IS NULL THEN p.published ELSE live.published END AS published"
            "  FROM store.publications p LEFT JOIN store.publisher live USING (prefix) WHERE prefix = %s",
            [prefix],
        ).fetchone()


def live(connection: Connection[Any]) -> str | None:
    """The prefix of the topics that the publisher fills; None where none has run yet."""
    row = connection.execute("SELECT prefix FROM store.publisher").fetchone()
    return row[0] if row else None


def take_up(connection: Connection[Any], epoch: int, settings: TopicSettings) -> Publication | None:
    """Let the publisher of this epoch fill these topics; what it filled until now stays as it is.

    None where they are being republished just now: then it is to wait. Raises `epoch.Fenced`.
    """
    with epochs.fenced(), connection.transaction():
        epochs.hold(connection, epoch)
        row = connection.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"tillstream {republishing(settings.prefix)}"],
        ).fetchone()
        if row is None or not row[0]:
            return None
        connection.execute(
            "UPDATE store.publications p SET published = live.published FROM store.publisher live WHERE p.prefix = live.prefix"
        )
        # Nobody noted a prefix in former times. What was acknowledged then was sent to the one that there was.
        connection.execute(
            "INSERT INTO store.publications (prefix, partitions, first_position, published)"
            " SELECT %s, %s, 1, CASE WHEN prefix IS NULL THEN published ELSE 0 END FROM store.publisher"
            " ON CONFLICT (prefix) DO UPDATE SET partitions = excluded.partitions",
            [settings.prefix, settings.partitions],
        )
        connection.execute(
            "UPDATE store.publisher live SET prefix = p.prefix, published = p.published"
            "  FROM store.publications p WHERE p.prefix = %s AND live.prefix IS DISTINCT FROM p.prefix",
            [settings.prefix],
        )
    return find(connection, settings.prefix)


def begin(connection: Connection[Any], settings: TopicSettings, first_position: int) -> None:
    """Note that these topics are about to be filled from a position on, if that is not known yet."""
    connection.execute(
        "INSERT INTO store.publications (prefix, partitions, first_position, published) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (prefix) DO UPDATE SET partitions = excluded.partitions",
        [settings.prefix, settings.partitions, first_position, first_position - 1],
    )


def note(connection: Connection[Any], prefix: str, published: int) -> None:
    """Note that Kafka has acknowledged everything up to a position in topics that no publisher fills. Never goes back."""
    connection.execute(
        "UPDATE store.publications SET published = greatest(published, %s) WHERE prefix = %s", [published, prefix]
    )
