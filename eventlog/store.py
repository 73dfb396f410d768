"""The log as the store holds it: every numbered fact in the one order of positions, sent to Kafka yet or not."""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from eventlog.log import Batch, Source
from eventlog.topics import partition_of
from schemas import chain, codec
from schemas.codec import ValueUnreadable
from schemas.envelope import Recorded

STORE = Source("store", 0)

_READ = Path(__file__).with_suffix(".read.sql").read_bytes()
_NUMBERED = b"""
    SELECT position, topic, stream FROM store.positions
     WHERE position > %s AND topic = ANY (%s) ORDER BY position LIMIT %s
"""

_POLL_SECONDS = 0.05
_AT_ONCE = 10_000


class FactUnreadable(Exception):
    """A fact in the store is damaged: its bytes are not the record that they were."""

    def __init__(self, row: Mapping[str, Any], error: ValueUnreadable) -> None:
        super().__init__(
            f"Position {row['position']} ({row['type']} of {row['stream']}, version {row['version']}) cannot be read in the"
            f" store: {error}. Run `python -m commands verify`: it says whether the fact is whole in Kafka, and docs/proof.md"
            " what to do then."
        )


class StoreLog:
    """The Log port over an autocommit connection. Pages by position, so memory stays flat."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._position = 0

    def ends(self) -> Mapping[Source, int]:
        """The highest position. (Of the store an offset is the position of the fact before, so reading ends there.)"""
        row = self._connection.execute("SELECT coalesce(max(position), 0) FROM store.positions").fetchone()
        assert row is not None, "an aggregate always gives a row"
        return {STORE: row[0]}

    def seek(self, places: Mapping[Source, int]) -> None:
        """Read on after `places[STORE]`, a position."""
        (self._position,) = places.values()

    def read(self, limit: int, timeout_seconds: float) -> Sequence[Batch]:
        deadline = time.monotonic() + timeout_seconds
        while not (facts := self._page(limit)):
            if time.monotonic() > deadline:
                return []
            time.sleep(_POLL_SECONDS)
        self._position = facts[-1].position
        return [Batch(STORE, self._position, facts)]

    def complete_up_to(self, topics: Collection[str], seen: Mapping[Source, int], partitions: Mapping[str, int]) -> int:
        """The position up to which a reader of these topics misses nothing, who has seen each source up to its position.

        `partitions` says how many each topic has. In memory is a page at a time.
        """
        (end,) = self.ends().values()
        sources = [Source(topic, number) for topic in topics for number in range(partitions[topic])]
        after = min((seen.get(source, 0) for source in sources), default=end)
        while page := self._connection.execute(_NUMBERED, [after, sorted(topics), _AT_ONCE]).fetchall():
            for position, topic, stream in page:
                if position > seen.get(Source(topic, partition_of(stream.encode(), partitions[topic])), 0):
                    return int(position) - 1
            after = page[-1][0]
        return end

    def numbered_at(self, position: int) -> datetime:
        """When the fact at this position got it, by the clock of Postgres. LookupError where there is none."""
        row = self._connection.execute(
            "SELECT numbered_at FROM store.positions WHERE position = %s", [position]
        ).fetchone()
        if row is None:
            raise LookupError(f"The store has no position {position}.")
        moment: datetime = row[0]
        return moment

    def hash_at(self, position: int) -> bytes | None:
        """The hash of the fact at this position; None where there is none."""
        row = self._connection.execute(
            "SELECT hash FROM store.positions WHERE position = %s", [position], binary=True
        ).fetchone()
        return row[0] if row else None

    def _page(self, limit: int) -> Sequence[Recorded]:
        """The next facts. The row before them comes along for its hash."""
        with self._connection.cursor(binary=True, row_factory=dict_row) as cursor:
            rows = cursor.execute(_READ, {"after": self._position, "limit": limit + 1}).fetchall()
        before = rows.pop(0)["hash"] if rows and rows[0]["position"] == self._position else chain.GENESIS
        del rows[limit:]
        facts = []
        for row in rows:
            facts.append(fact_in({**row, "previous_hash": before}))
            before = row["hash"]
        return facts


def fact_in(row: Mapping[str, Any]) -> Recorded:
    """The fact in a row that has all of it but its event. Raises `FactUnreadable` and `SchemaUnknown`."""
    try:
        return Recorded(**row, event=codec.decode(row["value"]).event)
    except ValueUnreadable as error:
        raise FactUnreadable(row, error) from error
