"""Generations: made once, switched at once, dropped whole."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import Connection

from projections import credits, folding, generations, indexes, payments
from projections.catalog import READ_MODELS
from projections.fingerprint import fingerprint
from projections.generations import Generation, LiveGenerations, NotBuilt
from runtime.postgres import Pool


def states(connection: Connection[Any]) -> dict[str, str]:
    rows = connection.execute("SELECT read_model || '_' || generation, state FROM read.generations")
    return dict(rows.fetchall())


def schemas(connection: Connection[Any]) -> set[str]:
    rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '_[0-9]+$' AND nspname !~ '^pg_'")
    return {name for (name,) in rows}


def test_processes_that_start_at_once_make_one_live_generation_of_each(
    database_url: str, connection: Connection[Any]
) -> None:
    def start(number: int) -> None:
        with folding.connect(database_url, f"starter {number}") as own:
            generations.ensure_live(own, READ_MODELS)

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(start, range(4)))

    assert states(connection) == {f"{model.name}_1": "live" for model in READ_MODELS}
    assert schemas(connection) == {f"{model.name}_1" for model in READ_MODELS}


def test_a_new_generation_stands_beside_the_live_one(live: dict[str, Generation], connection: Connection[Any]) -> None:
    new = generations.create(connection, payments, "building", "store")

    assert new == Generation(payments, 2)
    assert states(connection)["payments_1"] == "live"
    assert connection.execute("SELECT count(*) FROM payments_2.payments").fetchone() == (0,)


def test_a_switch_moves_all_read_models_at_once_and_lets_the_old_ones_follow(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    new = [generations.create(connection, model, "following", "store") for model in (payments, credits)]

    generations.switch(connection, new, "every row is equal")

    assert states(connection) == {
        **{f"{name}_1": "live" for name in live},
        "payments_1": "following",
        "payments_2": "live",
        "credits_1": "following",
        "credits_2": "live",
    }


def test_a_dropped_generation_leaves_nothing(live: dict[str, Generation], connection: Connection[Any]) -> None:
    new = generations.create(connection, payments, "building", "store")

    generations.drop(connection, new)

    assert "payments_2" not in states(connection)
    assert "payments_2" not in schemas(connection)


def test_every_switch_is_kept_with_its_reason(live: dict[str, Generation], connection: Connection[Any]) -> None:
    new = generations.create(connection, payments, "following", "store")
    generations.switch(connection, [new], "rows were lost")
    generations.drop(connection, live["payments"])

    kept = connection.execute("SELECT read_model, from_generation, to_generation, reason FROM read.switches").fetchall()

    assert kept == [("payments", 1, 2, "rows were lost")]


def test_a_generation_knows_where_it_came_from_and_which_code_built_it(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    generations.create(connection, payments, "building", "store", as_of=17)

    first, second = generations.standing(connection, [payments])

    assert (first.schema, first.state, first.as_of) == ("payments_1", "live", None)
    assert (second.schema, second.state, second.source, second.as_of) == ("payments_2", "building", "store", 17)
    assert first.switched_at is not None
    assert second.switched_at is None
    assert second.built_by == fingerprint()


async def test_the_api_learns_of_a_switch_within_a_second(
    live: dict[str, Generation], connection: Connection[Any], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("projections.generations.time.monotonic", lambda: now)
    asked = LiveGenerations(pool)
    assert await asked.schema("payments") == "payments_1"

    generations.switch(connection, [generations.create(connection, payments, "following", "kafka")], "a test")

    assert await asked.schema("payments") == "payments_1"
    now += 1.0
    assert await asked.schema("payments") == "payments_2"


async def test_a_read_model_that_was_never_built_says_so_and_is_found_as_soon_as_it_is(
    connection: Connection[Any], pool: Pool
) -> None:
    asked = LiveGenerations(pool)
    with pytest.raises(NotBuilt):
        await asked.schema("payments")

    generations.ensure_live(connection, READ_MODELS)

    assert await asked.schema("payments") == "payments_1"


def test_what_is_built_from_the_log_gets_its_indexes_once_it_is_filled(
    live: dict[str, Generation], connection: Connection[Any]
) -> None:
    told = Told()
    for model in READ_MODELS:
        new = generations.create(connection, model, "building", "store", indexes_later=True)
        assert all(name.endswith("_pkey") for name in indexes_of(connection, new))

        for _ in range(2):  # It may have been interrupted the first time.
            assert indexes.make(connection, [new], told) == {new: new}

        assert indexes_of(connection, new) == indexes_of(connection, live[model.name])
    assert "Making the indexes of payments_2." in told.said


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def progress(self, what: str, done: int, total: int) -> None:
        raise AssertionError("nothing is folded")

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def indexes_of(connection: Connection[Any], generation: Generation) -> dict[str, str]:
    """How each is defined, by name."""
    rows = connection.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s", [generation.schema])
    return {name: definition.replace(generation.schema, "") for name, definition in rows}
