"""`python -m commands verify` as its users meet it: a verdict, a status, and a sentence where it cannot be done."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from typer.testing import CliRunner

from commands.__main__ import app
from eventlog import in_order, verification
from runtime.screen import Screen
from sandbox.addresses import free_port
from sandbox.kafka import Kafka
from sandbox.supervisor import Supervisor
from tests.projecting import Done, environment
from tests.published import lives_of_payments, make_topics, put_in_store, send

FACTS = lives_of_payments(40).facts
LAST = FACTS[-1]


class Stage(NamedTuple):
    """A store and topics that hold the same facts."""

    env: Mapping[str, str]

    def verify(self, source: str = "both", *arguments: str, **changes: str) -> Done:
        result = CliRunner().invoke(app, ["verify", "--source", source, *arguments], env={**self.env, **changes})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def run(self, statement: str) -> None:
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")  # Facts are never changed otherwise.
            connection.execute(statement.encode())


@pytest.fixture
def stage(database_url: str, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Stage:
    for module in ("runtime.postgres", "runtime.kafka"):
        wait = vars(__import__(module, fromlist=["wait_until_ready"]))["wait_until_ready"]
        monkeypatch.setattr(f"{module}.wait_until_ready", lambda address, wait=wait: wait(address, 5))
    return a_stage(database_url, kafka_bootstrap, topic_prefix)


def a_stage(database_url: str, bootstrap_servers: str, prefix: str) -> Stage:
    made = Stage(environment(database_url, bootstrap_servers, prefix))
    make_topics(bootstrap_servers, prefix)
    send(bootstrap_servers, prefix, FACTS)
    put_in_store(database_url, FACTS)
    made.run(f"UPDATE store.publisher SET published = {LAST.position}")
    return made


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("store", "Whole in the store: "),
        ("kafka", "Whole in Kafka: "),
        ("both", "Whole in the store and in Kafka, and the same in both: "),
    ],
)
def test_a_whole_log_ends_with_status_0_and_its_last_hash(stage: Stage, source: str, where: str) -> None:
    done = stage.verify(source)

    assert done.status == 0, done.said
    assert f"{where}{LAST.position} positions. The last one has the hash {LAST.hash.hex()}." in done.stdout
    assert f"{LAST.position} of " in done.stdout  # How far it came, and how much there is.


def test_kafka_alone_can_be_walked_from_a_position_on_that_is_there(stage: Stage) -> None:
    from_there, beyond = stage.verify("kafka", "--from", "60"), stage.verify("kafka", "--from", str(LAST.position + 1))

    assert from_there.status == 0
    assert f"Whole in Kafka: positions 60 to {LAST.position}." in from_there.stdout
    assert beyond.status == 1
    assert f"Position {LAST.position + 1} is missing in Kafka: there is no such position" in beyond.stdout
    assert stage.verify("both", "--from", "60").status == 2


def test_each_side_needs_no_word_about_the_other(stage: Stage) -> None:
    assert stage.verify("store", KAFKA_BOOTSTRAP_SERVERS="").status == 0
    assert stage.verify("kafka", DATABASE_URL="").status == 0


def test_a_fault_ends_with_status_1_and_the_position(stage: Stage) -> None:
    stage.run(
        "UPDATE store.events SET actor = actor, payload = overlay(payload placing '\\x00' from 9)"
        f" WHERE event_id = '{FACTS[56].event_id}'"
    )

    done = stage.verify()

    assert done.status == 1
    assert "Position 57 (" in done.stdout
    assert "It is whole in Kafka. Everything up to position 56 is whole." in done.stdout


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/nowhere"}, "Postgres does not answer at 127.0.0.1:1"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "Kafka does not answer at 127.0.0.1:1"),
        ({"KAFKA_TOPIC_PARTITIONS": "5"}, "payments: the number of partitions is 4 and must be 5"),
        ({"KAFKA_TOPIC_PREFIX": "elsewhere."}, "Kafka has no topic elsewhere."),
        ({"DATABASE_URL": "", "KAFKA_TOPIC_PARTITIONS": "no"}, "DATABASE_URL: Field required"),
    ],
)
def test_what_is_not_there_or_not_as_it_must_be_is_said(
    stage: Stage, changes: Mapping[str, str], sentence: str
) -> None:
    done = stage.verify(**changes)

    assert done.status == 1
    assert sentence in done.stderr


def test_a_database_that_is_not_migrated_is_told_how(stage: Stage, postgres_url: str) -> None:
    done = stage.verify("store", DATABASE_URL=postgres_url)

    assert done.status == 1
    assert "Run `python -m migrations up`" in done.stderr


def test_postgres_lost_half_way_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_AT_ONCE", 10)

    def cut(screen: Screen, what: str, done: int, total: int) -> None:
        stage.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tillstream verify'"
            " AND datname = current_database()"
        )

    monkeypatch.setattr(Screen, "progress", cut)

    done = stage.verify("store")

    assert done.status == 1
    assert done.stderr.startswith("Postgres broke off (")


@pytest.fixture
def own_kafka() -> Iterator[tuple[str, Supervisor]]:
    """A Kafka of the test's own, to be stopped as `kafka`."""
    with tempfile.TemporaryDirectory() as folder, Supervisor(Path(folder) / "logs") as supervisor:
        server = Kafka(Path(folder) / "kafka", free_port(), free_port())
        supervisor.start(server.part())
        yield server.bootstrap_servers, supervisor


def test_kafka_lost_half_way_is_said(
    database_url: str, own_kafka: tuple[str, Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap_servers, kafka = own_kafka
    stage = a_stage(database_url, bootstrap_servers, "t.")
    monkeypatch.setattr(in_order, "_SILENT_SECONDS", 2)
    begin = in_order.InOrder.begin

    def begin_and_lose(*arguments: Any) -> None:
        begin(*arguments)
        kafka.kill("kafka")

    monkeypatch.setattr(in_order.InOrder, "begin", begin_and_lose)

    done = stage.verify("kafka")

    assert done.status == 1
    assert "Kafka" in done.stderr
    assert "Traceback" not in done.said


def test_an_unknown_source_is_refused_with_what_there_is(stage: Stage) -> None:
    done = stage.verify("both sides")

    assert done.status == 2
    assert "'store', 'kafka', 'both'" in done.stderr
