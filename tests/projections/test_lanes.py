"""Lanes: generations folded side by side, each over a connection of its own; what failed is never folded past."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from psycopg import Connection, errors

from projections import checkpoints, folding
from projections.catalog import READ_MODELS
from projections.checkpoints import Checkpoints
from projections.generations import Generation
from projections.lanes import Lanes
from tests.projections.conftest import Rows
from tests.projections.in_batches import SOURCES, in_batches
from tests.published import lives_of_payments

FACTS = lives_of_payments(40).facts
AT_ONCE = 25


@pytest.fixture
def connections(database_url: str) -> Iterator[list[Connection[Any]]]:
    with ExitStack() as ends:
        yield [ends.enter_context(folding.connect(database_url, f"lane {number}")) for number in range(2)]


@pytest.fixture
def held(live: dict[str, Generation], connection: Connection[Any]) -> Checkpoints:
    return checkpoints.claim(connection, live.values(), SOURCES)


@pytest.mark.parametrize("count", [1, 2])
def test_every_generation_sees_every_batch_over_however_many_connections(
    count: int, held: Checkpoints, connections: list[Connection[Any]], connection: Connection[Any], rows: Rows
) -> None:
    with Lanes(connections[:count], held) as lanes:
        for some in in_batches(FACTS, AT_ONCE):
            lanes.fold(some)
        after = lanes.finish()

    assert after == checkpoints.load(connection, held)
    assert {generation.model for generation in after} == set(READ_MODELS)
    assert [row["position"] for row in rows("audit_1.facts")] == [fact.position for fact in FACTS]
    assert len(rows("payments_1.payments")) == 40


def test_both_connections_have_work(
    held: Checkpoints, connections: list[Connection[Any]], connection: Connection[Any]
) -> None:
    with Lanes(connections, held) as lanes:
        lanes.fold(next(in_batches(FACTS, AT_ONCE)))

    ends = connection.execute(
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ 'lane'"
    )
    assert ends.fetchall() == [("COMMIT",), ("COMMIT",)]


def test_a_lane_that_failed_is_not_folded_past_and_the_other_stands_where_it_was(
    held: Checkpoints, connections: list[Connection[Any]], connection: Connection[Any]
) -> None:
    first, second, third, *_ = in_batches(FACTS, AT_ONCE)
    with Lanes(connections, held) as lanes:
        lanes.fold(first)
        lanes.finish()
        connection.execute("ALTER TABLE payments_1.payments RENAME TO elsewhere")
        lanes.fold(second)
        with pytest.raises(errors.UndefinedTable):
            lanes.fold(third)

    after = checkpoints.load(connection, held)
    reached = {generation.model.name: max(places.values()).next_offset for generation, places in after.items()}
    assert (reached["payments"], reached["audit"]) == (AT_ONCE, 2 * AT_ONCE)
