"""Two generations of a read model, compared row by row in one snapshot in which both have seen the same."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier, Literal

from projections import checkpoints
from projections.generations import Generation
from projections.statements import beside

_TABLES = beside(__file__, "tables").encode()

_EXAMPLES = 1_000
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A row that is not the same. `live` and `new` hold the columns that differ; None where there is no such row."""

    key: Mapping[str, Any]
    live: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


class Sums(NamedTuple):
    """The sum of one numeric column over all rows of either side; None where no row has a value."""

    live: int | Decimal | None
    new: int | Decimal | None

    @property
    def is_equal(self) -> bool:
        return self.live == self.new


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """One table of both generations. The hashes cover all rows, in no order; `examples` are the first differences by key."""

    read_model: str
    table: str
    live_rows: int
    new_rows: int
    live_hash: str
    new_hash: str
    sums: Mapping[str, Sums]
    only_live: int
    only_new: int
    different: int
    other_columns: Sequence[str]  # that only one of them has
    examples: Sequence[Difference]

    @property
    def differences(self) -> int:
        """How many rows are not the same."""
        return self.only_live + self.only_new + self.different

    @property
    def is_equal(self) -> bool:
        return not (self.differences or self.other_columns)


class Only(NamedTuple):
    """The rows that have this value in this column, which every table has."""

    column: str
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalog knows it: its columns, those that can be summed up, and those of its primary key."""

    columns: Sequence[str]
    numeric: Sequence[str]
    key: Sequence[str]


def compare_when_together(
    connection: Connection[Any], pairs: Sequence[tuple[Generation, Generation]], patience_seconds: float
) -> Sequence[TableComparison] | None:
    """Compare (live, new) generations in one snapshot in which each two stand at the same place in every source.

    None if there is no such snapshot in time: then nobody brings both on.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        with _snapshot(connection):
            if all(stand_together(connection, live, new) for live, new in pairs):
                return [table for live, new in pairs for table in compare(connection, live, new)]
        if time.monotonic() > deadline:
            return None
        time.sleep(_LOOK_SECONDS)


def compare(
    connection: Connection[Any], live: Generation, new: Generation, only: Only | None = None
) -> Sequence[TableComparison]:
    """Compare all tables of two generations, or only some of their rows, as the connection's transaction sees them."""
    of_live, of_new = tables_of(connection, live), tables_of(connection, new)
    return [
        _compare_table(connection, live, new, table, of_live.get(table), of_new.get(table), only)
        for table in sorted(of_live.keys() | of_new.keys())
    ]


@contextmanager
def _snapshot(connection: Connection[Any]) -> Iterator[None]:
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def stand_together(connection: Connection[Any], live: Generation, new: Generation) -> bool:
    """Whether both have seen the same of every source."""
    standing = checkpoints.load(connection, [live, new])
    if any(map(_is_in_the_middle, standing.values())):
        return False
    sources = standing[live].keys() | standing[new].keys()
    return all(_offset(standing[live], source) == _offset(standing[new], source) for source in sources)


def _offset(places: Mapping[Any, checkpoints.Checkpoint], source: Any) -> int:
    return places[source].next_offset if source in places else 0


def _is_in_the_middle(places: Mapping[Any, checkpoints.Checkpoint]) -> bool:
    """Whether facts are folded a few at a time, of which a process may have died: rows are ahead of their offsets then."""
    return any(place.suspect_to for place in places.values())


def tables_of(connection: Connection[Any], generation: Generation) -> Mapping[str, Table]:
    """The tables of a generation, by name."""
    rows = connection.execute(_TABLES, [generation.schema])
    return {table: Table(columns, numeric, key) for table, columns, numeric, key in rows}


def _compare_table(
    connection: Connection[Any],
    live: Generation,
    new: Generation,
    table: str,
    of_live: Table | None,
    of_new: Table | None,
    only: Only | None,
) -> TableComparison:
    """The columns that both have are compared; where the table is new or gone, there is nothing to compare but its name."""
    shared = [column for column in of_live.columns if column in of_new.columns] if of_live and of_new else []
    other = sorted({*(of_live.columns if of_live else ()), *(of_new.columns if of_new else ())} - set(shared))
    if not shared or of_live is None or of_new is None or of_live.key != of_new.key:
        return _incomparable(live, table, other or ["(its primary key)"])
    numeric = [column for column in of_live.numeric if column in of_new.numeric and column not in of_live.key]
    names = _Names(live, new, table, only, of_live.key, shared, numeric)
    with connection.cursor(row_factory=dict_row) as cursor:
        counts = cursor.execute(names.counting()).fetchone() or {}
        of_live_sums, of_new_sums = counts.pop("live_sums"), counts.pop("new_sums")
        rows = cursor.execute(names.differing()).fetchall() if _differ(counts) else []
    return TableComparison(
        read_model=live.model.name,
        table=table,
        other_columns=other,
        sums={
            column: Sums(*map(_whole, sums)) for column, *sums in zip(numeric, of_live_sums, of_new_sums, strict=True)
        },
        examples=[_difference(of_live.key, row["live"], row["new"]) for row in rows],
        **counts,
    )


def _differ(counts: Mapping[str, Any]) -> bool:
    return bool(counts["only_live"] or counts["only_new"] or counts["different"])


def _whole(total: Decimal | None) -> int | Decimal | None:
    """A sum of whole numbers as one."""
    return int(total) if total is not None and total == total.to_integral_value() else total


def _incomparable(live: Generation, table: str, other: Sequence[str]) -> TableComparison:
    return TableComparison(
        read_model=live.model.name,
        table=table,
        live_rows=0,
        new_rows=0,
        live_hash="",
        new_hash="",
        sums={},
        only_live=0,
        only_new=0,
        different=0,
        other_columns=other,
        examples=[],
    )


def _difference(key: Sequence[str], live: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Difference:
    row = live or new or {}
    named = {column: row[column] for column in key}
    if live is None or new is None:
        return Difference(key=named, live=live, new=new)
    columns = [column for column in live.keys() & new.keys() if live[column] != new[column]]
    return Difference(
        key=named,
        live={column: live[column] for column in sorted(columns)},
        new={column: new[column] for column in sorted(columns)},
    )


class _Names:
    """The statements that compare one table: every row of either side, joined by the primary key."""

    def __init__(
        self,
        live: Generation,
        new: Generation,
        table: str,
        only: Only | None,
        key: Sequence[str],
        columns: Sequence[str],
        numeric: Sequence[str],
    ) -> None:
        self._parts = {
            "live": _rows(live, table, only),
            "new": _rows(new, table, only),
            "on": SQL(" AND ").join(SQL("l.{0} = n.{0}").format(Identifier(column)) for column in key),
            "key": SQL(", ").join(SQL("coalesce(l.{0}, n.{0})").format(Identifier(column)) for column in key),
            "l_is": SQL("l.{} IS NOT NULL").format(Identifier(key[0])),
            "n_is": SQL("n.{} IS NOT NULL").format(Identifier(key[0])),
            "l_row": _row("l", columns),
            "n_row": _row("n", columns),
            "l_sums": _sums("l", numeric),
            "n_sums": _sums("n", numeric),
        }

    def counting(self) -> Composed:
        return SQL(
            "SELECT count(*) FILTER (WHERE {l_is}) AS live_rows, count(*) FILTER (WHERE {n_is}) AS new_rows,"
            " md5(coalesce(sum(hashtextextended({l_row}::text, 0)) FILTER (WHERE {l_is}), 0)::text) AS live_hash,"
            " md5(coalesce(sum(hashtextextended({n_row}::text, 0)) FILTER (WHERE {n_is}), 0)::text) AS new_hash,"
            " {l_sums} AS live_sums, {n_sums} AS new_sums,"
            " count(*) FILTER (WHERE NOT ({n_is})) AS only_live, count(*) FILTER (WHERE NOT ({l_is})) AS only_new,"
            " count(*) FILTER (WHERE {l_is} AND {n_is} AND {l_row} IS DISTINCT FROM {n_row}) AS different"
            " FROM {live} l FULL JOIN {new} n ON {on}"
        ).format(**self._parts)

    def differing(self) -> Composed:
        return SQL(
            "SELECT CASE WHEN {l_is} THEN to_jsonb(l) END AS live, CASE WHEN {n_is} THEN to_jsonb(n) END AS new"
            " FROM {live} l FULL JOIN {new} n ON {on}"
            " WHERE NOT ({l_is}) OR NOT ({n_is}) OR {l_row} IS DISTINCT FROM {n_row} ORDER BY {key} LIMIT {limit}"
        ).format(**self._parts, limit=_EXAMPLES)


def _rows(generation: Generation, table: str, only: Only | None) -> Composed:
    every = SQL("{}").format(Identifier(generation.schema, table))
    if only is None:
        return every
    return SQL("(SELECT * FROM {} WHERE {} = {})").format(every, Identifier(only.column), Literal(only.value))


def _row(side: str, columns: Sequence[str]) -> Composed:
    listed = SQL(", ").join(Identifier(side, column) for column in columns)
    return SQL("ROW({})").format(listed)


def _sums(side: str, numeric: Sequence[str]) -> Composed:
    """In a full join every row of a side stands once, so that it is summed up once."""
    listed = SQL(", ").join(SQL("sum({})").format(Identifier(side, column)) for column in numeric)
    return SQL("ARRAY[{}]::numeric[]").format(listed)
