"""Generations: made once, switched at once, dropped whole."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import Connection

from projections import credits, folding, generations, payments
from projections.catalog import READ_MODELS
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

    generations.switch(connection, new)

    assert states(connection) == {
        "payments_1": "following",
        "payments_2": "live",
        "credits_1": "following",
        "credits_2": "live",
        "projects_1": "live",
        "audit_1": "live",
    }


def test_a_dropped_generation_leaves_nothing(live: dict[str, Generation], connection: Connection[Any]) -> None:
    new = generations.create(connection, payments, "building", "store")

    generations.drop(connection, new)

    assert "payments_2" not in states(connection)
    assert "payments_2" not in schemas(connection)


def test_only_what_never_was_live_is_unproven(live: dict[str, Generation], connection: Connection[Any]) -> None:
    proven = generations.create(connection, payments, "following", "kafka")
    generations.switch(connection, [proven])
    killed = generations.create(connection, payments, "following", "kafka")
    half_built = generations.create(connection, credits, "building", "kafka")

    assert set(generations.unproven(connection, READ_MODELS)) == {killed, half_built}


async def test_the_api_learns_of_a_switch_within_a_second(
    live: dict[str, Generation], connection: Connection[Any], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("projections.generations.time.monotonic", lambda: now)
    asked = LiveGenerations(pool)
    assert await asked.schema("payments") == "payments_1"

    generations.switch(connection, [generations.create(connection, payments, "following", "kafka")])

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
