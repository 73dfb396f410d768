"""What pgbench runs beside us: one command to a transaction, as we would have written it."""

from pathlib import Path

import psycopg

from benchmarks import pgbench

_ROWS = """
SELECT (SELECT count(*) FROM store.inbox), (SELECT count(*) FROM store.events), (SELECT count(*) FROM store.outbox),
       (SELECT count(*) FROM vault.records)
"""


def test_each_transaction_writes_what_one_command_writes(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "append.sql"
    file.write_text(pgbench.script())

    figures = pgbench.run(database_url, file, seconds=0, clients=4)

    with psycopg.connect(database_url) as connection:
        rows = connection.execute(_ROWS).fetchone()
    assert rows is not None
    assert figures["rate"] > 0
    assert rows[0] > 0
    assert set(rows) == {rows[0]}
