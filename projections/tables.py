"""A table of a read model: declared by its CREATE TABLE alone, and written many rows at a time, by arrays or by COPY."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from psycopg import Cursor, errors
from psycopg.pq import PipelineStatus
from psycopg.types.json import Jsonb

from projections.statements import beside, on
from schemas import times

Row = Mapping[str, Any]  # Values by column. What a row does not speak of is absent.

COPY_FROM_ROWS = 100  # So many rows outweigh the round trips of a COPY.

# Types whose arrays can be unnested and whose values psycopg writes in binary. Lists and maps are kept as jsonb.
_JSONB = b"\x01"  # The version of jsonb's binary form, before the text.
_TYPES = frozenset("bigint boolean bytea date integer jsonb numeric smallint text timestamptz uuid".split())
_COLUMN = re.compile(r'\s+"?([a-z_]+)"? +([a-z]+)')
_KEY = re.compile(r'\s+"?([a-z_]+)"? .*PRIMARY KEY|\s+PRIMARY KEY \((.*)\)')

_APPEND = "INSERT INTO {schema}.{table} ({columns}) SELECT {columns} FROM {said} ON CONFLICT ({key}) DO NOTHING"
_STAGE = (
    "CREATE TEMP TABLE IF NOT EXISTS {schema}_{table} ({declared}) ON COMMIT DELETE ROWS;"
    " DELETE FROM pg_temp.{schema}_{table}"  # An earlier write of the same transaction may have left some.
)


class Table:
    """One table in every generation of its read model.

    `merge` names the statement that takes rows in (`apply_wallets`: in `credits.apply_wallets.sql` beside `credits.py`).
    There `{columns}` stands for the names of all columns, and `{said}`, after FROM, for the rows, as a relation `said` with
    these columns, NULL where a row does not speak of one. Without `merge` a row stays as it was first written.
    """

    def __init__(self, module_file: str, name: str, merge: str = "") -> None:
        lines = _declared(beside(module_file), name)
        self.columns = dict(_columns(name, lines))
        self.name = name
        self._is_append_only = not merge
        self._listed = listed = ", ".join(f'"{column}"' for column in self.columns)
        statement = beside(module_file, merge) if merge else _APPEND.replace("{key}", _key(lines))
        statement = statement.replace("{columns}", listed)
        arrays = ", ".join(f"%({column})b::{type}[]" for column, type in self.columns.items())
        self._from_arrays = self._of(statement.replace("{said}", f"unnest({arrays}) AS said ({listed})"))
        self._from_stage = self._of(statement.replace("{said}", "pg_temp.{schema}_{table} AS said"))
        declared = ", ".join(f'"{column}" {type}' for column, type in self.columns.items())
        self._stage = self._of(_STAGE.replace("{declared}", declared))

    def write(self, rows: Sequence[Row], cursor: Cursor[Any], schema: str) -> None:
        """Take rows into the table of this generation, each key at most once among them, within a transaction.

        Values of jsonb columns are whatever can be JSON: text, numbers, lists, maps, dataclasses, moments.
        """
        if not rows:
            return
        # Within a pipeline there can be no COPY: then nobody waits for an answer, and the rows are few.
        if len(rows) < COPY_FROM_ROWS or cursor.connection.info.pipeline_status != PipelineStatus.OFF:
            cursor.execute(on(schema, self._from_arrays), self._arrays(rows))
        elif not (self._is_append_only and self._append(rows, cursor, schema)):
            cursor.execute(on(schema, self._stage))
            self._copy(rows, cursor, on(schema, self._of("pg_temp.{schema}_{table}")))
            cursor.execute(on(schema, self._from_stage), ())

    def _arrays(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        arrays = {column: [row.get(column) for row in rows] for column in self.columns}
        for column, type in self.columns.items():
            if type == "jsonb":
                arrays[column] = [None if value is None else Jsonb(value) for value in arrays[column]]
        return arrays

    def _append(self, rows: Sequence[Row], cursor: Cursor[Any], schema: str) -> bool:
        """Copy rows right into the table. False where one of them is there already; then none was copied."""
        try:
            with cursor.connection.transaction():
                self._copy(rows, cursor, on(schema, self._of("{schema}.{table}")))
        except errors.UniqueViolation:
            return False
        return True

    def _copy(self, rows: Sequence[Row], cursor: Cursor[Any], target: bytes) -> None:
        names = tuple(self.columns)
        jsons = [place for place, type in enumerate(self.columns.values()) if type == "jsonb"]
        with cursor.copy(b"COPY %b (%b) FROM STDIN (FORMAT BINARY)" % (target, self._listed.encode())) as copy:
            # The stream carries no types: what is written as bytes is read as the column's own type.
            copy.set_types(["bytea" if type == "jsonb" else type for type in self.columns.values()])
            for row in rows:
                values = [*map(row.get, names)]
                for place in jsons:
                    if values[place] is not None:
                        values[place] = _JSONB + to_json(values[place])
                copy.write_row(values)

    def _of(self, text: str) -> str:
        return text.replace("{table}", self.name)


def to_json(value: Any) -> bytes:
    """A value as JSON text. Moments are written as `times.to_text` does. TypeError for what has no such text."""
    return orjson.dumps(value, _as_plain, orjson.OPT_PASSTHROUGH_DATETIME)


def _as_plain(value: Any) -> Any:
    match value:
        case datetime():
            return times.to_text(value)
        case Mapping():
            return dict(value)
    raise TypeError


def _declared(tables: str, name: str) -> Sequence[str]:
    """The lines of a CREATE TABLE. On each stands a column, or what holds for several."""
    found = re.search(rf"^CREATE TABLE {name} \(\n(.*?)\n\);$", tables, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"There is no CREATE TABLE {name} (…); of several lines.")
    return found[1].splitlines()


def _columns(table: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if column := _COLUMN.match(line):
            if column[2] not in _TYPES:
                raise TypeError(
                    f"{table}.{column[1]} is {column[2]!r}, but must be one of {', '.join(sorted(_TYPES))}."
                )
            yield column[1], column[2]


def _key(lines: Iterable[str]) -> str:
    """The columns of the primary key, as SQL lists them."""
    (key,) = (found[1] or found[2] for line in lines if (found := _KEY.match(line)))
    return key
