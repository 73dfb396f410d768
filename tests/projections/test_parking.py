"""Parked keys: what cannot be applied stands still with what follows it in its stream, and everything else goes on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import Connection, Cursor

from domain.payment import PAYMENTS
from eventlog.log import Batch, Source
from projections import checkpoints, comparison, folding, generations, parking, payments
from projections.checkpoints import Checkpoints
from projections.generations import Generation
from projections.isolation import ReadModelBroken
from projections.parking import Decision, NotParked, Outcome, ParkedKey
from schemas.envelope import Recorded
from tests.projecting import wait_until
from tests.projections.conftest import Rows
from tests.projections.poison import Effect, divide_by_zero, poisoned, stumble
from tests.published import History, lives_of_payments
from tests.samples import initiated, succeeded

SOURCE = Source("payments", 0)
LIVES = [fact for fact in lives_of_payments(1_000).facts if fact.topic == "payments"]
POISON = next(fact for fact in LIVES[1_500:] if fact.version == 2)  # In the middle of a life.
BEHIND_IT = [fact for fact in LIVES if fact.stream == POISON.stream and fact.version >= 2]
RETRY = Decision("retry", "ada", "the fold is mended")
WAITING_FOR_A_LOCK = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
SKIP = Decision("skip", "ada", "it never happened")


def fold(
    connection: Connection[Any], held: Checkpoints, facts: Sequence[Recorded] = LIVES, at_once: int = 5_000
) -> Checkpoints:
    """Fold facts that come in batches of so many, from where these checkpoints stand."""
    (start,) = {place.next_offset for places in held.values() for place in places.values()}
    for place in range(0, len(facts), at_once):
        batch = facts[place : place + at_once]
        held = folding.fold(connection, held, [Batch(SOURCE, start + place + len(batch), batch)])
    return held


def parked(connection: Connection[Any]) -> Sequence[ParkedKey]:
    return parking.parked(connection, [payments])


def assert_equal_to_a_run_without_poison(connection: Connection[Any], *found: Generation) -> None:
    healthy = generations.create(connection, payments, "following", "kafka")
    fold(connection, checkpoints.claim(connection, [healthy], [SOURCE]))
    for generation in found:
        assert all(table.is_equal for table in comparison.compare(connection, generation, healthy))


@pytest.mark.parametrize("effect", [stumble, divide_by_zero])
@pytest.mark.parametrize("at_once", [5_000, 50])
def test_one_key_of_a_thousand_is_parked_and_the_others_do_not_wait(
    effect: Effect, at_once: int, live: dict[str, Generation], connection: Connection[Any], rows: Rows
) -> None:
    _, generation = poisoned(live["payments"], effect, POISON)

    held = fold(connection, checkpoints.claim(connection, [generation], [SOURCE]), at_once=at_once)

    assert held[generation][SOURCE].next_offset == len(LIVES)
    [key] = parked(connection)
    assert (key.stream, key.event_id, key.position) == (POISON.stream, POISON.event_id, POISON.position)
    assert (key.waiting, key.tries) == (len(BEHIND_IT), 1)
    shown = {row["payment_id"]: row["version"] for row in rows("payments_1.payments")}
    assert shown == {fact.stream: fact.version for fact in LIVES} | {POISON.stream: 1}


def test_what_postgres_has_no_room_for_in_an_index_is_parked_like_any_other_poison(
    live: dict[str, Generation], connection: Connection[Any], rows: Rows
) -> None:
    history = History()
    history.commit(PAYMENTS.at("pay_1").facts(initiated("pay_1")))
    endless = "".join(chr(0x100 + number * 7919 % 40_000) for number in range(5_000))
    history.commit(PAYMENTS.at("pay_2").facts(initiated("pay_2", user_id=endless)))
    history.commit(PAYMENTS.at("pay_1").facts(succeeded("pay_1")))

    fold(connection, checkpoints.claim(connection, [live["payments"]], [SOURCE]), history.facts)

    [key] = parked(connection)
    assert key.stream == "pay_2"
    assert "ProgramLimitExceeded" in key.error
    assert [row["payment_id"] for row in rows("payments_1.payments")] == ["pay_1"]


def test_what_comes_later_of_a_parked_key_waits_behind_it(
    live: dict[str, Generation], connection: Connection[Any], rows: Rows
) -> None:
    _, generation = poisoned(live["payments"], stumble, POISON)
    until = LIVES.index(POISON) + 1

    held = fold(connection, checkpoints.claim(connection, [generation], [SOURCE]), LIVES[:until])
    [first] = parked(connection)
    fold(connection, held, LIVES[until:], at_once=7)

    [key] = parked(connection)
    assert (first.waiting, key.waiting) == (1, len(BEHIND_IT))
    assert key.parked_at == first.parked_at
    assert len(rows("payments_1.payments")) == 1_000


def test_after_a_retry_everything_equals_a_run_without_poison(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    model, generation = poisoned(live["payments"], stumble, POISON)
    fold(connection, checkpoints.claim(connection, [generation], [SOURCE]))
    model.poison.clear()

    outcomes = parking.decide(connection, model, POISON.stream, RETRY)

    assert outcomes == {generation: Outcome(True, f"It goes on: {len(BEHIND_IT)} facts were applied.")}
    assert parked(connection) == []
    assert_equal_to_a_run_without_poison(connection, generation)
    assert decisions(connection) == [("retry", "ada", "the fold is mended", POISON.stream, POISON.position)]


def decisions(connection: Connection[Any]) -> Sequence[tuple[Any, ...]]:
    return connection.execute(
        "SELECT decision, decided_by, reason, stream, position FROM read.parked_decisions ORDER BY id"
    ).fetchall()


def test_a_retry_of_what_is_not_mended_changes_nothing_but_the_count_of_tries(
    live: dict[str, Generation], connection: Connection[Any], rows: Rows
) -> None:
    model, generation = poisoned(live["payments"], stumble, POISON)
    fold(connection, checkpoints.claim(connection, [generation], [SOURCE]))
    before = rows("payments_1.payments")

    outcomes = parking.decide(connection, model, POISON.stream, RETRY)

    assert not outcomes[generation].goes_on
    assert "still cannot be applied" in outcomes[generation].sentence
    [key] = parked(connection)
    assert (key.position, key.waiting, key.tries) == (POISON.position, len(BEHIND_IT), 2)
    assert rows("payments_1.payments") == before


def test_a_retry_goes_as_far_as_it_can(live: dict[str, Generation], connection: Connection[Any], rows: Rows) -> None:
    model, generation = poisoned(live["payments"], stumble, POISON, BEHIND_IT[1])
    fold(connection, checkpoints.claim(connection, [generation], [SOURCE]))
    model.poison = {BEHIND_IT[1].event_id}

    parking.decide(connection, model, POISON.stream, RETRY)

    [key] = parked(connection)
    assert (key.position, key.waiting) == (BEHIND_IT[1].position, len(BEHIND_IT) - 1)
    assert {row["payment_id"]: row["version"] for row in rows("payments_1.payments")}[POISON.stream] == 2


def test_a_skipped_event_is_left_out_in_every_generation_and_in_those_to_come(
    live: dict[str, Generation], connection: Connection[Any], rows: Rows
) -> None:
    model, generation = poisoned(live["payments"], stumble, POISON)
    fold(connection, checkpoints.claim(connection, [generation], [SOURCE]))

    outcomes = parking.decide(connection, model, POISON.stream, SKIP)

    assert outcomes[generation].goes_on
    assert decisions(connection) == [("skip", "ada", "it never happened", POISON.stream, POISON.position)]
    rebuilt = generations.create(connection, model, "building", "kafka")
    fold(connection, checkpoints.claim(connection, [rebuilt], [SOURCE]), at_once=700)
    assert parked(connection) == []
    assert rows("payments_2.payments") == rows("payments_1.payments")
    [row] = [row for row in rows("payments_2.payments") if row["payment_id"] == POISON.stream]
    assert (row["version"], row["expires_at"]) == (3, None)


def test_a_key_that_is_parked_in_several_generations_is_tried_again_in_all(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    model, generation = poisoned(live["payments"], stumble, POISON)
    following = generations.create(connection, model, "following", "kafka")
    fold(connection, checkpoints.claim(connection, [generation, following], [SOURCE]))
    assert [key.generation for key in parked(connection)] == [1, 2]
    model.poison.clear()

    parking.decide(connection, model, POISON.stream, RETRY)

    assert_equal_to_a_run_without_poison(connection, generation, following)


def test_a_key_that_is_not_parked_cannot_be_tried_again(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    with pytest.raises(NotParked, match="Nothing of payments is parked under pay_1"):
        parking.decide(connection, payments, "pay_1", RETRY)


def test_a_retry_while_more_of_the_key_comes_loses_nothing(
    live: dict[str, Generation], connection: Connection[Any], database_url: str
) -> None:
    """Whoever comes first, the other sees it: what came meanwhile is applied at once, or behind what waited."""
    model, generation = poisoned(live["payments"], stumble, POISON)
    until = LIVES.index(POISON) + 1
    held = fold(connection, checkpoints.claim(connection, [generation], [SOURCE]), LIVES[:until])
    model.poison.clear()

    with (
        ThreadPoolExecutor(1) as other,
        folding.connect(database_url, "operator") as operator,
        operator.transaction(),
    ):
        parking.decide(operator, model, POISON.stream, RETRY)
        folded = other.submit(fold, connection, held, LIVES[until:])
        wait_until(lambda: bool(operator.execute(WAITING_FOR_A_LOCK).fetchall()))
    folded.result()

    assert parked(connection) == []
    assert_equal_to_a_run_without_poison(connection, generation)


def test_what_goes_wrong_around_the_facts_parks_nothing(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    def run_out_of_room(cursor: Cursor[Any]) -> None:
        raise psycopg.errors.DiskFull("no space left on device")

    _, generation = poisoned(live["payments"], run_out_of_room, POISON)
    held = checkpoints.claim(connection, [generation], [SOURCE])

    with pytest.raises(psycopg.errors.DiskFull):
        fold(connection, held)

    assert parked(connection) == []
    assert checkpoints.load(connection, [generation])[generation][SOURCE].next_offset == 0


def test_a_read_model_that_can_apply_nearly_nothing_is_broken_and_parks_nothing(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    _, generation = poisoned(live["payments"], stumble, *LIVES)
    held = checkpoints.claim(connection, [generation], [SOURCE])

    with pytest.raises(ReadModelBroken, match=r"More than 100 streams .* payments_1, .* knows no such thing"):
        fold(connection, held)

    assert parked(connection) == []


def test_what_is_parked_goes_with_its_generation(live: dict[str, Generation], connection: Connection[Any]) -> None:
    model, _ = poisoned(live["payments"], stumble, POISON)
    following = generations.create(connection, model, "following", "kafka")
    fold(connection, checkpoints.claim(connection, [following], [SOURCE]))

    generations.drop(connection, following)

    assert parked(connection) == []
