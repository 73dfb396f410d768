"""What the read side's tests share: a generation to fold into, and its rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from psycopg import Connection
from psycopg.rows import dict_row

from eventlog.log import Batch, Source
from projections import checkpoints, folding, generations
from projections.catalog import READ_MODELS
from projections.checkpoints import Checkpoints
from projections.generations import Generation
from projections.read_model import ReadModel
from schemas.envelope import Recorded

Rows = Sequence[dict[str, Any]]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Any]]:
    with folding.connect(database_url, "tests") as connection:
        yield connection


@pytest.fixture
def live(connection: Connection[Any]) -> dict[str, Generation]:
    """An empty live generation of each read model, by name."""
    generations.ensure_live(connection, READ_MODELS)
    return {generation.model.name: generation for generation in generations.load(connection, READ_MODELS, "live")}


@pytest.fixture
def apply(connection: Connection[Any], live: dict[str, Generation]) -> Callable[[ReadModel, Sequence[Recorded]], None]:
    """Apply facts to a read model's live generation, as one batch."""

    def apply(model: ReadModel, facts: Sequence[Recorded]) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            model.apply(facts, cursor, live[model.name].schema)

    return apply


@pytest.fixture
def rows(connection: Connection[Any]) -> Callable[[str], Rows]:
    """All rows of a table, `payments_1.payments`, in their order by the first column."""

    def rows(table: str) -> Rows:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(f"SELECT * FROM {table} ORDER BY 1, 2".encode()).fetchall()

    return rows


def batch(facts: Sequence[Recorded], *, start: int = 0, source: Source | None = None) -> Batch:
    """Facts of one source, at offsets from `start` on."""
    return Batch(source or Source(facts[0].topic, 0), start + len(facts), facts)


def hold(connection: Connection[Any], held: Sequence[Generation], *sources: Source) -> Checkpoints:
    return checkpoints.claim(connection, held, sources)
