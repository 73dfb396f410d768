"""Batches into generations: each fact once, all or nothing, and never by one who lost its claim."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import psycopg
import pytest
from psycopg import Connection, Cursor

from eventlog.log import Batch, Source
from projections import audit, checkpoints, folding, generations, payments
from projections.checkpoints import Checkpoint, CheckpointsMoved
from projections.generations import Generation
from schemas.envelope import Recorded
from tests.projections.conftest import Rows
from tests.published import lives_of_payments

PAYMENTS = Source("payments", 0)
FACTS = [fact for fact in lives_of_payments(30).facts if fact.topic == "payments"]


def batch(facts: Sequence[Recorded], start: int) -> Batch:
    """Facts at offsets from `start` on."""
    return Batch(PAYMENTS, start + len(facts), facts)


@pytest.fixture
def both(live: dict[str, Generation]) -> list[Generation]:
    """Two read models that take the same topic."""
    return [live["payments"], live["audit"]]


def counts(rows: Rows) -> tuple[int, int]:
    return len(rows("payments_1.payments")), len(rows("audit_1.facts"))


def test_all_generations_move_past_a_batch_together(
    both: list[Generation], connection: Connection[Any], rows: Rows
) -> None:
    held = checkpoints.claim(connection, both, [PAYMENTS])

    held = folding.fold(connection, held, [batch(FACTS, 0)])

    place = Checkpoint(len(FACTS), FACTS[-1].position, 0)
    assert held == {both[0]: {PAYMENTS: place}, both[1]: {PAYMENTS: place}}
    assert checkpoints.load(connection, both) == held
    assert counts(rows) == (30, len(FACTS))


def test_facts_that_come_twice_count_once(both: list[Generation], connection: Connection[Any], rows: Rows) -> None:
    held = checkpoints.claim(connection, both, [PAYMENTS])
    twice = [*FACTS[:20], *FACTS[10:20], *FACTS[15:]]

    for start in range(0, len(twice), 7):
        held = folding.fold(connection, held, [batch(twice[start : start + 7], start)])

    found = rows("audit_1.facts")
    assert [row["position"] for row in found] == [fact.position for fact in FACTS]
    versions = {row["payment_id"]: row["version"] for row in rows("payments_1.payments")}
    assert versions == {fact.stream: fact.version for fact in FACTS}


def test_a_generation_passes_over_what_it_has_seen(
    both: list[Generation], connection: Connection[Any], rows: Rows
) -> None:
    ahead, behind = both
    held = checkpoints.claim(connection, [ahead], [PAYMENTS])
    folding.fold(connection, held, [batch(FACTS[:20], 0)])
    held = checkpoints.claim(connection, both, [PAYMENTS])
    assert checkpoints.lowest(held) == {PAYMENTS: 0}

    for start in range(0, 30, 10):
        held = folding.fold(connection, held, [batch(FACTS[start : start + 10], start)])

    assert held[ahead][PAYMENTS][:2] == held[behind][PAYMENTS][:2] == (30, FACTS[29].position)
    assert len(rows("audit_1.facts")) == 30


class Broken(ModuleType):
    """The audit trail, with a statement at its end that fails whatever the facts are."""

    name, topics, tables = audit.name, audit.topics, audit.tables

    @staticmethod
    def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
        audit.apply(facts, cursor, schema)
        cursor.execute("SELECT FROM nowhere")


def test_what_fails_in_one_read_model_happens_in_none(
    both: list[Generation], connection: Connection[Any], rows: Rows
) -> None:
    broken = Generation(Broken("broken"), both[1].number)
    held = checkpoints.claim(connection, [both[0], broken], [PAYMENTS])

    with pytest.raises(psycopg.errors.UndefinedTable):
        folding.fold(connection, held, [batch(FACTS, 0)])

    assert counts(rows) == (0, 0)
    assert checkpoints.load(connection, both)[both[0]][PAYMENTS].next_offset == 0
    folding.fold(connection, {both[0]: held[both[0]]}, [batch(FACTS, 0)])
    assert counts(rows) == (30, 0)


def test_a_zombie_with_an_old_epoch_changes_nothing(
    both: list[Generation], connection: Connection[Any], database_url: str, rows: Rows
) -> None:
    of_zombie = checkpoints.claim(connection, both, [PAYMENTS])
    with folding.connect(database_url, "successor") as successor:
        held = checkpoints.claim(successor, both, [PAYMENTS])
        folding.fold(successor, held, [batch(FACTS[:10], 0)])

    with pytest.raises(CheckpointsMoved):
        folding.fold(connection, of_zombie, [batch(FACTS, 0)])

    assert len(rows("audit_1.facts")) == 10


def test_an_old_epoch_is_refused_even_where_nothing_was_read_since(
    both: list[Generation], connection: Connection[Any], rows: Rows
) -> None:
    of_zombie = checkpoints.claim(connection, both, [PAYMENTS])
    checkpoints.claim(connection, both, [PAYMENTS])

    with pytest.raises(CheckpointsMoved):
        folding.fold(connection, of_zombie, [batch(FACTS, 0)])

    assert counts(rows) == (0, 0)


def test_a_dropped_generation_is_noticed_before_anything_is_written(
    live: dict[str, Generation], connection: Connection[Any], rows: Rows
) -> None:
    following = generations.create(connection, payments, "following", "kafka")
    held = checkpoints.claim(connection, [live["payments"], following], [PAYMENTS])
    generations.drop(connection, following)

    with pytest.raises(CheckpointsMoved):
        folding.fold(connection, held, [batch(FACTS, 0)])

    assert rows("payments_1.payments") == []


def test_a_connection_that_breaks_in_the_middle_of_a_batch_leaves_nothing_behind(
    both: list[Generation], connection: Connection[Any], database_url: str, rows: Rows
) -> None:
    class Breaking(Broken):
        @staticmethod
        def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
            audit.apply(facts, cursor, schema)
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with folding.connect(database_url, "victim") as victim:
        held = checkpoints.claim(victim, [both[0], Generation(Breaking("breaking"), 1)], [PAYMENTS])
        with pytest.raises(psycopg.OperationalError):
            folding.fold(victim, held, [batch(FACTS, 0)])

    assert counts(rows) == (0, 0)


def test_facts_of_unknown_types_are_passed_over(
    both: list[Generation], connection: Connection[Any], rows: Rows
) -> None:
    fields = {name: getattr(FACTS[1], name) for name in FACTS[1].__dataclass_fields__}
    unknown = Recorded(**(fields | {"type": "payment.blessed", "event": None}))

    held = checkpoints.claim(connection, both, [PAYMENTS])
    held = folding.fold(connection, held, [batch([FACTS[0], unknown], 0)])

    assert held[both[0]][PAYMENTS] == Checkpoint(2, unknown.position, 0)
    assert len(rows("audit_1.facts")) == 1
