"""What a read model is: a module with these names.

To write one: declare its tables in `visits.sql`, one column on each line, and nowhere else. In `visits.py` say
`_VISITS = Table(__file__, "visits")` for rows that stay as they are first written, or
`Table(__file__, "visits", merge="apply_visits")` for rows that later facts change, with the statement that takes new rows
into old ones in `visits.apply_visits.sql` (see `projections.tables`). Turn facts into rows, mappings of columns to values, and
let `apply` hand them to `_VISITS.write`, which knows how to send few and many. Then name the module in `projections.catalog`.

Every table has the column in which its rows name their stream (`stream_column`), for a fold sees one stream at a time.

Indexes stand below the tables, each `CREATE INDEX … ;` from the beginning of a line: a replay makes them when the tables are
filled (`projections.indexes`). A fold finds its rows by primary key alone.

A new column of a table is a line in its CREATE TABLE, an entry in the rows, and a line where the statement says what changes.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from psycopg import Cursor

from schemas.envelope import Recorded


class ReadModel(Protocol):
    """`tables` is the SQL that makes its tables, in the schema that `search_path` names.

    `stream_prefixes` say which streams it shows (`pay_`), `stream_column` in which column every row of every table names
    the stream that it came from: so that one stream's rows can be folded anew and held against the live ones.
    """

    name: str
    topics: frozenset[str]
    stream_column: str
    tables: str

    @property
    def stream_prefixes(self) -> tuple[str, ...]: ...

    def apply(self, facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
        """Fold facts, in order per stream, into the tables of `schema`. Applying the same facts twice changes nothing.

        Where two facts of one stream are in different batches the rows come out the same: they say totals, not increments.
        """
        ...
