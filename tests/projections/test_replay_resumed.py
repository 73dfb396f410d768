"""Replays that did not come to their end: the next one that asks for the same goes on where they stood."""

import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from tests.projecting import ask, environment, process, replay, wait_until
from tests.published import lives_of_payments, make_topics, put_in_store, send

FACTS = lives_of_payments(150).facts

# `python -m projections`, reading so few facts at a time that there is a middle in which it can be killed.
IN_SMALL_BATCHES = (
    sys.executable,
    "-c",
    "from projections import __main__, building; building._FACTS_AT_ONCE = 100; __main__.app()",
)

# Once so many checkpoints of generation 2 have moved, the next one waits at Postgres for a lock that the test holds.
BRAKE = """
    CREATE SEQUENCE moved;
    CREATE FUNCTION brake() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('moved') > {moves} THEN PERFORM pg_advisory_xact_lock(1); END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER brake BEFORE UPDATE ON read.checkpoints FOR EACH ROW
        WHEN (NEW.generation = 2 AND NEW.next_offset > OLD.next_offset) EXECUTE FUNCTION brake();
"""
WAITS = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
CONNECTED = "SELECT 1 FROM pg_stat_activity WHERE application_name ~ 'replay' AND datname = current_database()"


@pytest.fixture
def env(database_url: str, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Mapping[str, str]:
    """A log that is shown in a live generation of `payments`."""
    make_topics(kafka_bootstrap, topic_prefix)
    put_in_store(database_url, FACTS)
    send(kafka_bootstrap, topic_prefix, FACTS)
    env = environment(database_url, kafka_bootstrap, topic_prefix)
    first = replay(env, tmp_path / "first", "payments", "--source", "store")
    assert first.status == 0, first.said
    return env


@pytest.fixture
def interrupted(env: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Generation 2 is half-built from the store: its replay was interrupted by Ctrl-C."""

    def told(_screen: object, _what: str, done: int, total: int) -> None:
        if 2 * done >= total:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("projections.building._FACTS_AT_ONCE", 100)
        patch.setattr("runtime.screen.Screen.progress", told)
        replay(env, tmp_path / "interrupted", "payments", "--source", "store")
    assert states(env) == {"payments_1": "live", "payments_2": "building"}
    assert 0 < seen(env) < len(FACTS)
    return env


def states(env: Mapping[str, str]) -> dict[str, str]:
    return dict(ask(env["DATABASE_URL"], "SELECT read_model || '_' || generation, state FROM read.generations"))


def seen(env: Mapping[str, str]) -> int:
    """How much of the log generation 2 is past: positions in the store, or offsets in Kafka."""
    [(offsets,)] = ask(env["DATABASE_URL"], "SELECT sum(next_offset)::int FROM read.checkpoints WHERE generation = 2")
    return int(offsets)


def run(env: Mapping[str, str], statement: str) -> None:
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize(("source", "moves"), [("store", 1), ("kafka", 4)])
def test_a_replay_that_was_killed_goes_on_where_it_stood(
    env: Mapping[str, str], tmp_path: Path, source: str, moves: int
) -> None:
    run(env, BRAKE.format(moves=moves))
    command = [*IN_SMALL_BATCHES, "replay", "payments", "--source", source]
    with psycopg.connect(env["DATABASE_URL"]) as connection, process(command, env, tmp_path / "log") as killed:
        connection.execute("SELECT pg_advisory_lock(1)")
        wait_until(lambda: bool(ask(env["DATABASE_URL"], WAITS)) or killed.poll() is not None)
        killed.kill()
    wait_until(lambda: not ask(env["DATABASE_URL"], CONNECTED))
    stood_at = seen(env)
    assert 0 < stood_at < len(FACTS)
    run(env, "DROP TRIGGER brake ON read.checkpoints")

    done = replay(env, tmp_path / "reports", "payments", "--source", source)

    assert done.status == 0, done.said
    assert "Going on with payments_2, begun at " in done.stdout
    total = len(FACTS) if source == "store" else sum(fact.topic == "payments" for fact in FACTS)
    assert f"{stood_at} of {total} facts" in done.stdout
    assert "Every row is equal" in done.stdout
    assert states(env) == {"payments_1": "following", "payments_2": "live"}


def test_what_was_built_from_the_store_is_not_read_again_when_it_was_on_its_way_in_kafka(
    interrupted: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(_screen: object, what: str, _done: int, _total: int) -> None:
        if what == "from Kafka":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("runtime.screen.Screen.progress", told)
        replay(interrupted, tmp_path / "in-kafka", "payments", "--source", "store")

    done = replay(interrupted, tmp_path / "reports", "payments", "--source", "store")

    assert done.status == 0, done.said
    assert "from the store: " not in done.stdout
    assert "Every row is equal" in done.stdout


def test_one_that_the_projectors_had_got_already_is_taken_back_and_compared(
    interrupted: Mapping[str, str], tmp_path: Path
) -> None:
    run(interrupted, "UPDATE read.generations SET state = 'following' WHERE generation = 2")

    done = replay(interrupted, tmp_path / "reports", "payments", "--source", "store")

    assert done.status == 0, done.said
    assert "Going on with payments_2" in done.stdout
    assert states(interrupted) == {"payments_1": "following", "payments_2": "live"}


def test_what_other_code_has_half_built_is_begun_anew(interrupted: Mapping[str, str], tmp_path: Path) -> None:
    run(interrupted, "UPDATE read.generations SET built_by = 'before the fold was changed' WHERE generation = 2")

    done = replay(interrupted, tmp_path / "reports", "payments", "--source", "store")

    assert done.status == 0, done.said
    assert "Dropped payments_2: other code has built it." in done.stdout
    assert states(interrupted) == {"payments_1": "following", "payments_2": "live"}
    assert f"0 of {len(FACTS)} facts" in done.stdout


def test_what_was_to_come_from_elsewhere_is_begun_anew(interrupted: Mapping[str, str], tmp_path: Path) -> None:
    done = replay(interrupted, tmp_path / "reports", "payments", "--source", "kafka")

    assert done.status == 0, done.said
    assert "Dropped payments_2: it was built from the store." in done.stdout


def test_one_that_was_refused_is_built_anew_unless_its_differences_are_accepted_now(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    run(
        env,
        "UPDATE payments_1.payments SET currency = 'eur' WHERE payment_id = (SELECT min(payment_id) FROM payments_1.payments)",
    )
    refused = replay(env, tmp_path / "first", "payments", "--source", "store")
    assert refused.status == 1
    assert states(env) == {"payments_1": "live", "payments_2": "refused"}

    anew = replay(env, tmp_path / "second", "payments", "--source", "store")
    assert anew.status == 1
    assert "Dropped payments_2: its rows differed, and it was not accepted." in anew.stdout

    accepted = replay(
        env, tmp_path / "third", "payments", "--source", "store", "--accept-differences", "a slip by hand"
    )
    assert accepted.status == 0, accepted.said
    assert "Going on with payments_2" in accepted.stdout
    assert "from the store: " not in accepted.stdout
    assert states(env) == {"payments_1": "following", "payments_2": "live"}
    assert ask(env["DATABASE_URL"], "SELECT reason FROM read.switches ORDER BY id DESC LIMIT 1") == [
        ("a slip by hand",)
    ]
