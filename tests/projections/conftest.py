"""What the read side's tests share: live generations to fold into, their rows, and a pool to query them."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
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
from tests.projecting import environment
from tests.projections.stage import FACTS, Stage, show, stage_at
from tests.published import make_topics, send
from tests.servers import fresh_database, fresh_prefix

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


@pytest.fixture(scope="session")
def facts_in_kafka(kafka_bootstrap: str) -> Iterator[str]:
    """The prefix of topics that hold FACTS, for all who only read them."""
    with fresh_prefix(kafka_bootstrap) as prefix:
        make_topics(kafka_bootstrap, prefix)
        send(kafka_bootstrap, prefix, FACTS)
        yield prefix


@contextmanager
def shown_somewhere(
    template: str, bootstrap_servers: str, prefix: str, folder: Path, read_models: str
) -> Iterator[str]:
    with fresh_database(template) as url:
        show(environment(url, bootstrap_servers, prefix), folder, read_models)
        yield url


@pytest.fixture(scope="session")
def shown_database(
    migrated_template: str, kafka_bootstrap: str, facts_in_kafka: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database with FACTS in the store and in a live generation of `payments`, only ever copied."""
    folder = tmp_path_factory.mktemp("shown")
    with shown_somewhere(migrated_template, kafka_bootstrap, facts_in_kafka, folder, "payments") as url:
        yield url


@pytest.fixture(scope="session")
def wholly_shown_database(
    migrated_template: str, kafka_bootstrap: str, facts_in_kafka: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The same with live generations of every read model."""
    folder = tmp_path_factory.mktemp("shown")
    with shown_somewhere(migrated_template, kafka_bootstrap, facts_in_kafka, folder, "--all") as url:
        yield url


@pytest.fixture
def stage(shown_database: str, facts_in_kafka: str, kafka_bootstrap: str, tmp_path: Path) -> Iterator[Stage]:
    """A log in Kafka and in the store, shown in a live generation of `payments`. Its topics are shared: read them only."""
    with fresh_database(shown_database) as url:
        yield stage_at(url, kafka_bootstrap, facts_in_kafka, tmp_path)


@pytest.fixture
def whole_stage(
    wholly_shown_database: str, facts_in_kafka: str, kafka_bootstrap: str, tmp_path: Path
) -> Iterator[Stage]:
    """The same, shown in live generations of every read model."""
    with fresh_database(wholly_shown_database) as url:
        yield stage_at(url, kafka_bootstrap, facts_in_kafka, tmp_path)


@pytest.fixture
def growing_stage(shown_database: str, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Stage]:
    """The same as `stage`, with topics of the test's own, to which it may send."""
    make_topics(kafka_bootstrap, topic_prefix)
    send(kafka_bootstrap, topic_prefix, FACTS)
    with fresh_database(shown_database) as url:
        made = stage_at(url, kafka_bootstrap, topic_prefix, tmp_path)
        made.run("DELETE FROM read.topics")  # These hold the same at the same places, and are followed from now on.
        yield made


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opening = postgres.pool(database_url, name="tests", size=4)
    await opening.open()
    yield opening
    await opening.close()
