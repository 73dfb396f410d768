"""The projector as it runs: killed, frozen, doubled, cut off, and in the end every fact is shown exactly once."""

import signal
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from sandbox.addresses import free_port
from sandbox.kafka import Kafka
from sandbox.supervisor import Supervisor
from schemas.envelope import Recorded
from tests.projecting import ask, environment, projector, wait_until
from tests.published import History, lives_of_payments, make_topics, send

LIVES = lives_of_payments(300)


@pytest.fixture
def env(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> Mapping[str, str]:
    make_topics(kafka_bootstrap, topic_prefix)
    return environment(database_url, kafka_bootstrap, topic_prefix)


def publish(env: Mapping[str, str], facts: list[Recorded]) -> None:
    send(env["KAFKA_BOOTSTRAP_SERVERS"], env["KAFKA_TOPIC_PREFIX"], facts)


def shown(env: Mapping[str, str]) -> int:
    [(count,)] = ask(env["DATABASE_URL"], "SELECT count(*) FROM audit_1.facts") or [(0,)]
    return int(count)


def wait_until_shown(env: Mapping[str, str], count: int) -> None:
    wait_until(lambda: shown(env) >= count)


def wait_until_all_is_shown(env: Mapping[str, str], history: History) -> None:
    wait_until_shown(env, len(history.facts))
    assert_shown_once(env, history)


def assert_shown_once(env: Mapping[str, str], history: History) -> None:
    """Every fact has its row in the trail, every payment its last version, every wallet its last balance."""
    trail = ask(env["DATABASE_URL"], "SELECT position, hash FROM audit_1.facts ORDER BY position")
    assert trail == [(fact.position, fact.hash) for fact in history.facts]
    last = {fact.stream: fact for fact in history.facts}
    payments = ask(env["DATABASE_URL"], "SELECT payment_id, version FROM payments_1.payments")
    assert dict(payments) == {key: fact.version for key, fact in last.items() if fact.topic == "payments"}
    wallets = ask(env["DATABASE_URL"], "SELECT wallet_id, version FROM credits_1.wallets")
    assert dict(wallets) == {key: fact.version for key, fact in last.items() if fact.topic == "credits"}
    [(entries,)] = ask(env["DATABASE_URL"], "SELECT count(*) FROM credits_1.entries")
    assert entries == sum(fact.topic == "credits" for fact in history.facts)


def test_what_is_published_is_shown_and_a_stop_is_orderly(env: Mapping[str, str], tmp_path: Path) -> None:
    with projector(env, tmp_path / "log") as process:
        process.wait_until_it_says("projecting")
        publish(env, LIVES.facts)
        wait_until_all_is_shown(env, LIVES)

        process.signal(signal.SIGTERM)

        assert process.wait() == 0
        assert "Traceback" not in process.said()


def test_facts_published_twice_are_shown_once(env: Mapping[str, str], tmp_path: Path) -> None:
    facts = LIVES.facts
    publish(env, [*facts[:500], *facts[300:500], *facts[300:]])

    with projector(env, tmp_path / "log"):
        wait_until_all_is_shown(env, LIVES)


def test_a_projector_killed_at_any_moment_goes_on_where_its_rows_stand(env: Mapping[str, str], tmp_path: Path) -> None:
    publish(env, LIVES.facts[:400])
    for number, kill_at in enumerate((1, 400, 700)):
        with projector(env, tmp_path / f"log{number}") as process:
            wait_until_shown(env, kill_at)
            process.kill()
        publish(env, LIVES.facts[400 + number * 200 : 600 + number * 200])
    publish(env, LIVES.facts[1000:])

    with projector(env, tmp_path / "log"):
        wait_until_all_is_shown(env, LIVES)


def test_two_projectors_share_the_work_and_one_takes_over_what_the_other_leaves(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    with projector(env, tmp_path / "one") as one, projector(env, tmp_path / "another") as another:
        one.wait_until_it_says("projecting")
        another.wait_until_it_says("projecting")
        publish(env, LIVES.facts[:600])
        wait_until_shown(env, 600)

        one.kill()
        publish(env, LIVES.facts[600:])

        wait_until_all_is_shown(env, LIVES)


def test_a_projector_frozen_past_its_session_and_woken_up_does_no_harm(env: Mapping[str, str], tmp_path: Path) -> None:
    with projector(env, tmp_path / "frozen") as frozen:
        frozen.wait_until_it_says("projecting")
        publish(env, LIVES.facts[:300])
        wait_until_shown(env, 300)
        frozen.signal(signal.SIGSTOP)
        with projector(env, tmp_path / "successor") as successor:
            successor.wait_until_it_says("projecting")
            publish(env, LIVES.facts[300:800])
            wait_until_shown(env, 800)

            frozen.signal(signal.SIGCONT)
            publish(env, LIVES.facts[800:])

            wait_until_all_is_shown(env, LIVES)
            assert "Traceback" not in frozen.said() + successor.said()


def test_lost_connections_to_postgres_are_made_again(env: Mapping[str, str], tmp_path: Path) -> None:
    with projector(env, tmp_path / "log") as process:
        process.wait_until_it_says("projecting")
        for start in range(0, 900, 300):
            publish(env, LIVES.facts[start : start + 300])
            cut_off(env)
        publish(env, LIVES.facts[900:])

        wait_until_all_is_shown(env, LIVES)
        assert "stand still for a moment" in process.said()
        assert "Traceback" not in process.said()


def cut_off(env: Mapping[str, str]) -> None:
    """End the projector's connection, as a restart of Postgres does."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tillstream projector'"
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute(query + " AND datname = current_database()")


def test_after_kafka_was_away_reading_goes_on(database_url: str, tmp_path: Path) -> None:
    with Supervisor(tmp_path / "logs") as supervisor:
        server = Kafka(tmp_path / "kafka", free_port(), free_port())
        supervisor.start(server.part())
        make_topics(server.bootstrap_servers, "own.")
        env = environment(database_url, server.bootstrap_servers, "own.")
        with projector(env, tmp_path / "log") as process:
            publish(env, LIVES.facts[:500])
            wait_until_shown(env, 500)

            supervisor.kill("kafka")
            process.wait_until_it_says("Kafka does not answer")
            supervisor.start_again("kafka")
            publish(env, LIVES.facts[500:])

            wait_until_all_is_shown(env, LIVES)
            assert process.said().count("Kafka does not answer") == 1
            assert "Traceback" not in process.said()


def test_the_lag_is_nought_once_all_is_shown(env: Mapping[str, str], tmp_path: Path) -> None:
    port = free_port()
    with projector({**env, "TILLSTREAM_METRICS_PORT": str(port)}, tmp_path / "log"):
        publish(env, LIVES.facts[:500])
        wait_until_shown(env, 500)
        wait_until(lambda: lag(port, "positions") == lag(port, "seconds") == 0)

        publish(env, LIVES.facts[500:])

        wait_until_all_is_shown(env, LIVES)
        wait_until(lambda: lag(port, "positions") == lag(port, "seconds") == 0)


def lag(port: int, unit: str) -> float:
    """The audit trail's lag as Prometheus is told it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    wanted = f'tillstream_read_model_lag_{unit}{{read_model="audit"}} '
    return float(next(line for line in lines if line.startswith(wanted)).removeprefix(wanted))


def test_a_fact_of_a_newer_version_ends_the_projector_with_a_sentence(env: Mapping[str, str], tmp_path: Path) -> None:
    newer = replace(LIVES.facts[0], value=b"\x00\x00\x0f\x42\x3fwhatever")

    with projector(env, tmp_path / "log") as process:
        process.wait_until_it_says("projecting")
        publish(env, [newer])

        assert process.wait() == 1
        assert "a newer version of the service wrote this fact" in process.said()
        assert "Traceback" not in process.said()


def test_topics_that_are_not_as_they_must_be_are_refused_with_a_sentence(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    with projector({**env, "KAFKA_TOPIC_PARTITIONS": "7"}, tmp_path / "log") as process:
        assert process.wait() == 1
        assert "the number of partitions is 4 and must be 7" in process.said()
        assert "Traceback" not in process.said()


def test_a_missing_setting_is_named(env: Mapping[str, str], tmp_path: Path) -> None:
    with projector({**env, "DATABASE_URL": ""}, tmp_path / "log") as process:
        assert process.wait() == 1
        assert "DATABASE_URL" in process.said()
