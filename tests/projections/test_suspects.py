"""Facts that kill the process which folds them: found by those who come after it, and parked."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from psycopg import Connection

from eventlog.log import Batch, Source
from projections import audit, checkpoints, comparison, folding, generations, parking, payments, suspects
from projections.checkpoints import Checkpoints
from projections.generations import Generation
from projections.parking import Decision
from tests.projections.poison import Killed, die, poisoned
from tests.published import lives_of_payments

LIVES = [fact for fact in lives_of_payments(400).facts if fact.topic == "payments"]
SOURCES = [Source("payments", 0), Source("payments", 1)]
STREAMS = sorted({fact.stream for fact in LIVES})
OF_SOURCE = [[fact for fact in LIVES if STREAMS.index(fact.stream) % 2 == number] for number in range(len(SOURCES))]
POISON = OF_SOURCE[1][500]
MOST_DEATHS = 6


def read(held: Checkpoints, at_once: int) -> Iterator[Sequence[Batch]]:
    """Both sources in turn, from where these checkpoints stand."""
    places = dict(checkpoints.lowest(held))
    while any(places[source] < len(facts) for source, facts in zip(SOURCES, OF_SOURCE, strict=True)):
        batches = []
        for source, facts in zip(SOURCES, OF_SOURCE, strict=True):
            if some := facts[places[source] : places[source] + at_once]:
                places[source] += len(some)
                batches.append(Batch(source, places[source], some))
        yield batches


def live_and_die(connection: Connection[Any], kept: Sequence[Generation], at_once: int) -> int:
    """One process after the other, until one has read everything. Returns how many died on the way."""
    for deaths in range(MOST_DEATHS + 1):
        held = checkpoints.claim(connection, kept, SOURCES)
        try:
            for batches in read(held, at_once):
                held = folding.fold(connection, held, batches)
        except Killed:
            continue
        checkpoints.release(connection, held)
        return deaths
    raise AssertionError(f"more than {MOST_DEATHS} died")


@pytest.fixture
def kept(live: dict[str, Generation]) -> list[Generation]:
    """The payments are healthy; in the audit trail one fact kills."""
    return [live["payments"], poisoned(live["audit"], die, POISON)[1]]


def parked(connection: Connection[Any]) -> list[tuple[str, str, int]]:
    found = parking.parked(connection, [payments, audit])
    return [(key.read_model, key.stream, key.position) for key in found]


@pytest.mark.parametrize("at_once", [1, 40, 1_000])
def test_a_fact_that_kills_is_parked_after_some_deaths_and_nothing_else_is(
    at_once: int, kept: list[Generation], connection: Connection
) -> None:
    deaths = live_and_die(connection, kept, at_once)

    assert 1 < deaths <= MOST_DEATHS
    assert parked(connection) == [("audit", POISON.stream, POISON.position)]
    [key] = parking.parked(connection, [audit])
    assert "died" in key.error


def test_after_a_retry_everything_equals_a_run_without_poison(
    kept: list[Generation], live: dict[str, Generation], connection: Connection
) -> None:
    live_and_die(connection, kept, 300)

    parking.decide(connection, audit, POISON.stream, Decision("retry", "ada", ""))

    healthy = [generations.create(connection, model, "following", "kafka") for model in (payments, audit)]
    assert live_and_die(connection, healthy, 300) == 0
    pairs = [(live["payments"], healthy[0]), (live["audit"], healthy[1])]
    assert all(table.is_equal for pair in pairs for table in comparison.compare(connection, *pair))


def test_deaths_that_no_fact_causes_park_nothing(live: dict[str, Generation], connection: Connection[Any]) -> None:
    """Processes are killed again and again, each time after some batches, and each time while one is being folded."""
    model, generation = poisoned(live["audit"], die)

    for round in range(30):
        held = checkpoints.claim(connection, [generation], SOURCES)
        with pytest.raises(Killed):  # noqa: PT012 - at whichever of them
            for number, batches in enumerate(read(held, 10)):
                model.poison = {batches[-1].facts[-1].event_id} if number == round % 3 else set()
                held = folding.fold(connection, held, batches)

    model.poison.clear()
    live_and_die(connection, [generation], 10)
    assert parked(connection) == []


def test_who_leaves_in_good_order_raises_no_suspicion(live: dict[str, Generation], connection: Connection[Any]) -> None:
    for _ in range(5):
        held = checkpoints.claim(connection, [live["payments"]], SOURCES)
        assert not any(place.wary or place.suspect_to for place in held[live["payments"]].values())
        held = folding.fold(connection, held, next(read(held, 50)))
        checkpoints.release(connection, held)


def test_what_was_suspect_stays_so_when_it_is_handed_on_in_good_order(
    kept: list[Generation], connection: Connection
) -> None:
    for _ in range(2):
        held = checkpoints.claim(connection, kept, SOURCES)
        with pytest.raises(Killed):  # noqa: PT012 - at whichever of them
            for batches in read(held, 1_000):
                held = folding.fold(connection, held, batches)
    before = checkpoints.claim(connection, kept, SOURCES)[kept[1]]

    checkpoints.release(connection, {kept[1]: before})

    after = checkpoints.claim(connection, kept, SOURCES)[kept[1]]
    assert {source: place.suspect_to for source, place in after.items()} == {
        source: place.suspect_to for source, place in before.items()
    }
    assert any(place.suspect_to for place in after.values())


def test_rows_that_are_ahead_of_their_offset_are_not_compared(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    """As after one who died when all suspects were folded, and the batch that they are of was not yet passed."""
    model, generation = poisoned(live["audit"], die)
    model.poison = {OF_SOURCE[0][49].event_id}
    for _ in range(2):
        held = checkpoints.claim(connection, [generation], SOURCES)
        batches = next(read(held, 50))
        with pytest.raises(Killed):
            folding.fold(connection, held, batches)
    model.poison.clear()
    untouched = generations.create(connection, audit, "following", "kafka")
    assert not comparison.stand_together(connection, generation, untouched)

    held = suspects.fold(connection, checkpoints.claim(connection, [generation], SOURCES), batches)

    assert checkpoints.lowest(held) == dict.fromkeys(SOURCES, 0)
    assert not comparison.stand_together(connection, generation, untouched), "it has seen fifty facts of each"
    held = folding.fold(connection, held, batches)
    assert not any(place.suspect_to for place in held[generation].values())


def test_after_a_death_positions_of_any_size_are_marked(live: dict[str, Generation], connection: Connection) -> None:
    far_on = [replace(fact, position=fact.position + 5_000_000_000) for fact in OF_SOURCE[0][:10]]
    batches = [Batch(SOURCES[0], len(far_on), far_on)]
    checkpoints.claim(connection, [live["payments"]], SOURCES)  # Of a process that was not heard of again.

    held = checkpoints.claim(connection, [live["payments"]], SOURCES)
    assert held[live["payments"]][SOURCES[0]].wary
    held = folding.fold(connection, held, batches)
    checkpoints.release(connection, held)

    assert held[live["payments"]][SOURCES[0]].last_position == far_on[-1].position
