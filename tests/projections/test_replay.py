"""Replays: new generations beside the live ones, compared row by row, and switched only if every row is equal."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from projections.catalog import READ_MODELS
from tests.projecting import ask, environment, projector, replay, wait_until
from tests.published import History, lives_of_payments, make_topics, put_in_store, send

NAMES = sorted(model.name for model in READ_MODELS)


@pytest.fixture
def history() -> History:
    return lives_of_payments(150)


@pytest.fixture
def env(database_url: str, kafka_bootstrap: str, topic_prefix: str, history: History) -> Mapping[str, str]:
    """A log with some payments' lives in it, in Kafka and in the store."""
    make_topics(kafka_bootstrap, topic_prefix)
    put_in_store(database_url, history.facts)
    send(kafka_bootstrap, topic_prefix, history.facts)
    return environment(database_url, kafka_bootstrap, topic_prefix)


def count(env: Mapping[str, str], table: str) -> int:
    [(rows,)] = ask(env["DATABASE_URL"], f"SELECT count(*) FROM {table}") or [(-1,)]
    return int(rows)


def states(env: Mapping[str, str]) -> dict[str, str]:
    return dict(ask(env["DATABASE_URL"], "SELECT read_model || '_' || generation, state FROM read.generations"))


def everywhere(**by_generation: str) -> dict[str, str]:
    """`_1="live"` for all read models."""
    return {f"{name}{number}": state for name in NAMES for number, state in by_generation.items()}


def report(reports: Path) -> dict[str, Any]:
    [file] = reports.glob("*.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@contextmanager
def projecting(env: Mapping[str, str], history: History, log: Path) -> Iterator[None]:
    """A projector that runs and has shown everything."""
    with projector(env, log):
        wait_until(lambda: count(env, "audit_1.facts") == len(history.facts))
        yield


@pytest.fixture
def shown(env: Mapping[str, str], tmp_path: Path) -> Mapping[str, str]:
    """Everything is shown, and no projector runs."""
    first = replay(env, tmp_path / "first", "--all", "--source", "store")
    assert first.status == 0, first.said
    return env


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_a_replay_beside_a_projector_equals_the_live_tables_and_replaces_them(
    env: Mapping[str, str], history: History, tmp_path: Path, source: str
) -> None:
    with projecting(env, history, tmp_path / "log"):
        done = replay(env, tmp_path / "reports", "--all", "--source", source)

    assert done.status == 0, done.said
    assert "Every row is equal" in done.stdout
    assert states(env) == everywhere(_1="following", _2="live")
    found = report(tmp_path / "reports")
    assert found["equal"]
    rows = {f"{table['read_model']}.{table['table']}": table["new_rows"] for table in found["tables"]}
    assert (rows["payments.payments"], rows["audit.facts"]) == (150, len(history.facts))
    assert all(table["live_hash"] == table["new_hash"] for table in found["tables"])


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_a_replay_without_a_projector_goes_as_far_as_the_live_tables_and_no_further(
    shown: Mapping[str, str], history: History, tmp_path: Path, source: str
) -> None:
    seen = len(history.facts)
    lives_of_payments(50, seed=2, history=history)
    send(shown["KAFKA_BOOTSTRAP_SERVERS"], shown["KAFKA_TOPIC_PREFIX"], history.facts[seen:])
    put_in_store(shown["DATABASE_URL"], history.facts[seen:])

    done = replay(shown, tmp_path / "reports", "--all", "--source", source)

    assert done.status == 0, done.said
    assert count(shown, "audit_2.facts") == seen
    with projector(shown, tmp_path / "again"):
        wait_until(lambda: count(shown, "audit_2.facts") == len(history.facts))
        wait_until(lambda: count(shown, "audit_1.facts") == len(history.facts))


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_a_replay_while_facts_keep_coming_still_meets_the_live_tables(
    env: Mapping[str, str], history: History, tmp_path: Path, source: str
) -> None:
    first = len(history.facts)
    lives_of_payments(600, seed=2, history=history)
    stopped = threading.Event()

    def publish() -> None:
        for start in range(first, len(history.facts), 20):
            put_in_store(env["DATABASE_URL"], history.facts[start : start + 20])
            send(env["KAFKA_BOOTSTRAP_SERVERS"], env["KAFKA_TOPIC_PREFIX"], history.facts[start : start + 20])
            if stopped.wait(0.02):
                break

    with projector(env, tmp_path / "log") as process:
        process.wait_until_it_says("projecting")
        wait_until(lambda: count(env, "audit_1.facts") >= first)
        publishing = threading.Thread(target=publish)
        publishing.start()
        done = replay(env, tmp_path / "reports", "--all", "--source", source)
        stopped.set()
        publishing.join()
        end = max(position for (position,) in ask(env["DATABASE_URL"], "SELECT max(position) FROM store.positions"))

        assert done.status == 0, done.said
        wait_until(lambda: count(env, "audit_2.facts") == count(env, "audit_1.facts") == end)

    again = replay(env, tmp_path / "again", "--all", "--source", source)
    assert again.status == 0, again.stdout


def test_a_difference_is_named_and_nothing_is_switched(shown: Mapping[str, str], tmp_path: Path) -> None:
    with psycopg.connect(shown["DATABASE_URL"]) as connection:
        [(first, last)] = connection.execute(
            "SELECT min(payment_id), max(payment_id) FROM payments_1.payments"
        ).fetchall()
        connection.execute("UPDATE payments_1.payments SET amount_minor = 1 WHERE payment_id = %s", [first])
        connection.execute("DELETE FROM payments_1.payments WHERE payment_id = %s", [last])

    done = replay(shown, tmp_path / "reports", "--all", "--source", "kafka")

    assert done.status == 1
    assert "Nothing is switched" in done.stdout
    assert "amount_minor 1 → 2999" in done.stdout
    assert states(shown) == everywhere(_1="live", _2="refused")
    [payments] = [table for table in report(tmp_path / "reports")["tables"] if table["table"] == "payments"]
    assert (payments["different"], payments["only_new"], payments["only_live"]) == (1, 1, 0)
    assert [example["key"] for example in payments["examples"]] == [{"payment_id": first}, {"payment_id": last}]
    sums = payments["sums"]["amount_minor"]
    assert sums["new"] - sums["live"] == 2 * 2999 - 1
    [text] = (tmp_path / "reports").glob("*.txt")
    assert f"payments.payments payment_id={first}: amount_minor 1 → 2999" in text.read_text()
    assert f"The report is in {text}" in done.stdout


def test_a_difference_can_be_accepted_with_a_reason(shown: Mapping[str, str], tmp_path: Path) -> None:
    with psycopg.connect(shown["DATABASE_URL"]) as connection:
        connection.execute("DELETE FROM payments_1.payments")

    done = replay(shown, tmp_path / "reports", "payments", "--source", "store", "--accept-differences", "lost rows")

    assert done.status == 0, done.said
    assert report(tmp_path / "reports")["accepted"] == "lost rows"
    assert count(shown, "payments_2.payments") == 150
    assert states(shown)["payments_2"] == "live"


def test_only_the_newest_old_generation_is_kept(shown: Mapping[str, str], tmp_path: Path) -> None:
    for number in (2, 3):
        done = replay(shown, tmp_path / f"reports{number}", "payments", "--source", "kafka")
        assert done.status == 0, done.said

    found = {schema: state for schema, state in states(shown).items() if schema.startswith("payments")}
    assert found == {"payments_2": "following", "payments_3": "live"}
    assert count(shown, "payments_1.payments") == -1


def test_a_read_model_that_was_never_built_is_filled_before_it_answers(env: Mapping[str, str], tmp_path: Path) -> None:
    done = replay(env, tmp_path / "reports", "payments", "--source", "kafka")

    assert done.status == 0, done.said
    assert states(env) == {"payments_1": "live"}
    assert count(env, "payments_1.payments") == 150


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing", "--source", "kafka"), "There is no read model 'nothing'"),
        (("payments", "--source", "moon"), "'moon' is not one of"),
        (("--source", "kafka"), "Name one read model, or say --all"),
        (("payments", "--all", "--source", "kafka"), "Name one read model, or say --all"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = replay({"COLUMNS": "200"}, tmp_path / "reports", *arguments)

    assert done.status == 2
    assert sentence in done.stderr
