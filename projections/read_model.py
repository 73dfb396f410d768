"""What a read model is: a module with these names."""

from collections.abc import Sequence
from typing import Any, Protocol

from psycopg import Cursor

from schemas.envelope import Recorded


class ReadModel(Protocol):
    """`tables` is the SQL that makes its tables, in the schema that `search_path` names."""

    name: str
    topics: frozenset[str]
    tables: str

    def apply(self, facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
        """Fold facts, in order per stream, into the tables of `schema`. Applying the same facts twice changes nothing."""
        ...
