"""What the read side's tests share: live generations to fold into, their rows, and a pool to query them."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg.rows import dict_row

from projections import folding, generations
from projections.catalog import READ_MODELS
from projections.generations import Generation
from projections.read_model import ReadModel
from runtime import postgres
from runtime.postgres import Pool
from schemas.envelope import Recorded
from tests.projections.stage import Stage, set_stage

Apply = Callable[[ReadModel, Sequence[Recorded]], None]
Rows = Callable[[str], Sequence[dict[str, Any]]]


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
def apply(connection: Connection[Any], live: dict[str, Generation]) -> Apply:
    """Apply facts to a read model's live generation, as one batch."""

    def apply(model: ReadModel, facts: Sequence[Recorded]) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            model.apply(facts, cursor, live[model.name].schema)

    return apply


@pytest.fixture
def rows(connection: Connection[Any]) -> Rows:
    """All rows of a table, `payments_1.payments`, in the order of its first two columns."""

    def rows(table: str) -> Sequence[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(f"SELECT * FROM {table} ORDER BY 1, 2".encode()).fetchall()

    return rows


@pytest.fixture
def stage(database_url: str, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Stage:
    """A log in Kafka and in the store, shown in a live generation of `payments`."""
    return set_stage(database_url, kafka_bootstrap, topic_prefix, tmp_path)


@pytest.fixture
def whole_stage(database_url: str, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Stage:
    """The same, shown in live generations of every read model."""
    return set_stage(database_url, kafka_bootstrap, topic_prefix, tmp_path, "--all")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opening = postgres.pool(database_url, name="tests", size=4)
    await opening.open()
    yield opening
    await opening.close()
