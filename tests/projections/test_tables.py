"""Tables of read models: declared once, and the same rows in them however they come."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from psycopg import Connection

from eventlog.log import Source
from projections import comparison, generations
from projections.catalog import READ_MODELS
from projections.generations import Generation
from projections.tables import COPY_FROM_ROWS, Table, to_json
from tests.projections.conftest import Rows
from tests.projections.in_batches import fold_all
from tests.published import lives_of_payments

MANY = COPY_FROM_ROWS * 2
FACTS = lives_of_payments(MANY).facts
SOURCE = Source("payments", 0)

TABLES = """
CREATE TABLE notes (
    note_id text  PRIMARY KEY, -- The first line.
    said    jsonb,
    "order" integer
);
CREATE TABLE counts (
    day   date    NOT NULL,
    total numeric NOT NULL,
    PRIMARY KEY (day)
);
"""


@pytest.fixture
def notes(tmp_path: Path, connection: Connection[Any]) -> Table:
    """A table that only grows, in the schema notes_1."""
    (tmp_path / "notes.sql").write_text(TABLES)
    connection.execute("CREATE SCHEMA notes_1")
    connection.execute(TABLES.replace("CREATE TABLE ", "CREATE TABLE notes_1.").encode())
    return Table(str(tmp_path / "notes.py"), "notes")


def write(connection: Connection[Any], table: Table, rows: Sequence[dict[str, Any]]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        table.write(rows, cursor, "notes_1")


def test_what_is_read_from_the_sql_is_what_postgres_made_of_it(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    modules = [vars(module) for name, module in sys.modules.items() if name.startswith("projections.")]
    declared = {
        table.name: dict(table.columns) for names in modules for table in names.values() if isinstance(table, Table)
    }

    rows = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = ANY (%s)"
        " ORDER BY table_name, ordinal_position",
        [[generation.schema for generation in live.values()]],
    ).fetchall()

    made: dict[str, dict[str, str]] = {}
    for table, column, type in rows:
        made.setdefault(table, {})[column] = type.replace("timestamp with time zone", "timestamptz")
    assert declared == made


@pytest.mark.parametrize("at_once", [COPY_FROM_ROWS // 3, len(FACTS) // 3, len(FACTS)])
def test_batches_of_any_size_come_to_the_same_rows(
    at_once: int, live: dict[str, Generation], connection: Connection[Any]
) -> None:
    one_by_one = [generations.create(connection, model, "following", "kafka") for model in READ_MODELS]
    pairs = [(live[generation.model.name], generation) for generation in one_by_one]

    fold_all(connection, one_by_one, FACTS, 1)
    fold_all(connection, live.values(), FACTS, at_once)

    compared = [table for pair in pairs for table in comparison.compare(connection, *pair)]
    assert [table.table for table in compared if not table.is_equal] == []
    assert sum(table.live_rows for table in compared) > len(FACTS)


@pytest.mark.parametrize("many", [1, MANY])
def test_a_row_that_is_there_stays_and_those_beside_it_are_added(
    many: int, notes: Table, connection: Connection[Any], rows: Rows
) -> None:
    write(connection, notes, [{"note_id": "n0", "said": "first", "order": 1}])

    write(connection, notes, [{"note_id": f"n{number}", "said": "again"} for number in range(many + 1)])

    found = {row["note_id"]: row["said"] for row in rows("notes_1.notes")}
    assert found == {f"n{number}": "again" for number in range(1, many + 1)} | {"n0": "first"}


@pytest.mark.parametrize("many", [1, MANY])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, None, True]}, {"a": [1, None, True]}),
        (MappingProxyType({"é": "ü"}), {"é": "ü"}),
        (("read", "print"), ["read", "print"]),
        ("just text", "just text"),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00.000000Z"),
        (None, None),
    ],
)
def test_whatever_can_be_json_is_a_value_of_jsonb(
    value: Any, shown: Any, many: int, notes: Table, connection: Connection[Any], rows: Rows
) -> None:
    write(connection, notes, [{"note_id": f"n{number}", "said": value} for number in range(many)])

    assert [row["said"] for row in rows("notes_1.notes")] == [shown] * many


def test_what_cannot_be_json_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        to_json({"a": object()})


def test_a_type_that_cannot_be_written_is_refused_with_its_column(tmp_path: Path) -> None:
    (tmp_path / "notes.sql").write_text("CREATE TABLE notes (\n    spot point\n);\n")

    with pytest.raises(TypeError, match=r"notes\.spot is 'point', but must be one of bigint"):
        Table(str(tmp_path / "notes.py"), "notes")


def test_a_table_that_is_not_declared_is_missed(tmp_path: Path) -> None:
    (tmp_path / "notes.sql").write_text(TABLES)

    with pytest.raises(LookupError, match="no CREATE TABLE letters"):
        Table(str(tmp_path / "notes.py"), "letters")
