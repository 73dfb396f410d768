"""Two generations side by side: what differs is counted and named."""

from typing import Any

import pytest
from psycopg import Connection

from domain.payment import PAYMENTS
from eventlog.log import Batch, Source
from projections import checkpoints, folding, generations, payments
from projections.comparison import TableComparison, compare, compare_when_together
from projections.generations import Generation
from tests.published import History
from tests.samples import initiated

SOURCE = Source("payments", 0)


@pytest.fixture
def pair(live: dict[str, Generation], connection: Connection[Any]) -> tuple[Generation, Generation]:
    """A live and a new generation with the same five payments."""
    new = generations.create(connection, payments, "building", "store")
    history = History()
    for number in range(5):
        history.commit(PAYMENTS.at(f"pay_{number}").facts(initiated(f"pay_{number}")))
    held = checkpoints.claim(connection, [live["payments"], new], [SOURCE])
    folding.fold(connection, held, [Batch(SOURCE, 5, history.facts)])
    return live["payments"], new


def compared(connection: Connection[Any], pair: tuple[Generation, Generation]) -> TableComparison:
    [table] = [table for table in compare(connection, *pair) if table.table == "payments"]
    return table


def test_equal_tables_are_equal_to_the_hash(connection: Connection[Any], pair: tuple[Generation, Generation]) -> None:
    table = compared(connection, pair)

    assert table.is_equal
    assert (table.live_rows, table.new_rows) == (5, 5)
    assert table.live_hash == table.new_hash


def test_every_difference_is_counted_and_named(
    connection: Connection[Any], pair: tuple[Generation, Generation]
) -> None:
    connection.execute("DELETE FROM payments_1.payments WHERE payment_id = 'pay_0'")
    connection.execute("DELETE FROM payments_2.payments WHERE payment_id = 'pay_4'")
    connection.execute(
        "UPDATE payments_2.payments SET currency = 'eur', decline_code = 'no' WHERE payment_id = 'pay_2'"
    )

    table = compared(connection, pair)

    assert not table.is_equal
    assert (table.only_new, table.different, table.only_live) == (1, 1, 1)
    assert table.live_hash != table.new_hash
    first, second, third = table.examples
    assert (first.key, first.live) == ({"payment_id": "pay_0"}, None)
    assert (second.live, second.new) == (
        {"currency": "usd", "decline_code": None},
        {"currency": "eur", "decline_code": "no"},
    )
    assert (third.key, third.new) == ({"payment_id": "pay_4"}, None)


def test_a_column_that_only_one_has_is_a_difference_and_the_others_are_compared(
    connection: Connection[Any], pair: tuple[Generation, Generation]
) -> None:
    connection.execute("ALTER TABLE payments_2.payments ADD COLUMN tipped_minor bigint")

    table = compared(connection, pair)

    assert not table.is_equal
    assert table.other_columns == ["tipped_minor"]
    assert (table.live_rows, table.different) == (5, 0)


def test_a_table_that_only_one_has_is_a_difference(
    connection: Connection[Any], pair: tuple[Generation, Generation]
) -> None:
    connection.execute("CREATE TABLE payments_2.favours (favour_id text PRIMARY KEY)")

    found = {table.table: table for table in compare(connection, *pair)}

    assert found["payments"].is_equal
    assert not found["favours"].is_equal
    assert found["favours"].other_columns == ["favour_id"]


def test_generations_at_different_places_are_not_compared(
    connection: Connection[Any], pair: tuple[Generation, Generation]
) -> None:
    connection.execute("UPDATE read.checkpoints SET next_offset = 6 WHERE generation = 1 AND read_model = 'payments'")

    assert compare_when_together(connection, [pair], patience_seconds=0.2) is None

    connection.execute("UPDATE read.checkpoints SET next_offset = 6 WHERE generation = 2 AND read_model = 'payments'")
    found = compare_when_together(connection, [pair], patience_seconds=0.2)
    assert found is not None
    assert all(table.is_equal for table in found)
