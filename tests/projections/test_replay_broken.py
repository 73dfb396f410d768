"""Replays that cannot be done or break off: a sentence that says what to do, status 1, and nothing changed that is read."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from projections import credits, payments, turns
from runtime import postgres
from sandbox.addresses import free_port
from sandbox.kafka import Kafka
from sandbox.supervisor import Supervisor
from schemas import cloudevents
from schemas.envelope import written
from tests.projections.stage import FACTS, Stage, set_stage


def test_a_second_replay_of_one_read_model_is_told_of_the_first(stage: Stage) -> None:
    with postgres.connect(stage.env["DATABASE_URL"], name="replay", autocommit=True) as connection:
        with turns.alone_at(connection, [payments, credits]):
            done = stage.replay()
        pid = connection.info.backend_pid
        after = stage.replay()

    assert done.status == 1
    assert "Another replay of payments is running (since 20" in done.stderr
    assert f"as process {pid} of Postgres)" in done.stderr
    assert after.status == 0, after.said


def test_different_read_models_may_be_replayed_at_once(stage: Stage) -> None:
    with (
        postgres.connect(stage.env["DATABASE_URL"], name="replay", autocommit=True) as connection,
        turns.alone_at(connection, [credits]),
    ):
        done = stage.replay()

    assert done.status == 0, done.said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/nowhere"}, "Postgres does not answer at 127.0.0.1:1"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "Kafka does not answer at 127.0.0.1:1"),
        ({"KAFKA_TOPIC_PARTITIONS": "5"}, "payments: the number of partitions is 4 and must be 5"),
        ({"KAFKA_TOPIC_PREFIX": "elsewhere."}, " elsewhere.payments, "),
        ({"DATABASE_URL": "", "KAFKA_TOPIC_PARTITIONS": "no"}, "DATABASE_URL: Field required"),
    ],
)
def test_what_is_not_there_or_not_as_it_must_be_is_said_at_the_start(
    stage: Stage, changes: Mapping[str, str], sentence: str
) -> None:
    done = stage.replay(**changes)

    assert done.status == 1
    assert sentence in done.stderr
    assert stage.is_untouched()


def test_a_database_that_is_not_migrated_is_told_how(postgres_url: str, stage: Stage) -> None:
    done = stage.replay(DATABASE_URL=postgres_url)

    assert done.status == 1
    assert "Run `python -m migrations up`" in done.stderr


# Records that are no facts of ours, where the live generation has seen them already: the replay must read them.


def append_and_count_as_seen(stage: Stage, key: bytes, value: bytes, headers: Any) -> None:
    producer = Producer({"bootstrap.servers": stage.env["KAFKA_BOOTSTRAP_SERVERS"]})
    topic = f"{stage.env['KAFKA_TOPIC_PREFIX']}payments"
    producer.produce(topic, key=key, value=value, headers=headers, partition=0)
    producer.flush()
    stage.run("UPDATE read.checkpoints SET next_offset = next_offset + 1 WHERE topic = 'payments' AND partition = 0")


def headers_of_last() -> list[cloudevents.Header]:
    fact = FACTS[-2]
    return cloudevents.headers(
        written(fact),
        position=fact.position,
        previous_hash=fact.previous_hash,
        hash=fact.hash,
        value=fact.value,
        service_url="http://127.0.0.1:8000",
    )


KEY, VALUE = FACTS[-2].stream.encode(), FACTS[-2].value


@pytest.mark.parametrize(
    ("key", "value", "headers", "sentence"),
    [
        (KEY, VALUE, None, "the header ce_specversion is missing (partition 0, offset "),
        (b"hello", b"world", [("content-type", b"text/plain")], "is not a fact of the payment service"),
        (KEY, b"\0\0\0\x27\x0f" + VALUE[5:], headers_of_last(), "No record in schemas/ has the id 9999"),
        (KEY, VALUE[:-3], headers_of_last(), "these bytes are no record of"),
    ],
    ids=["no headers", "foreign", "unknown schema", "cut off"],
)
def test_a_record_that_cannot_be_read_ends_it_with_its_sentence(
    growing_stage: Stage, key: bytes, value: bytes, headers: Any, sentence: str
) -> None:
    append_and_count_as_seen(growing_stage, key, value, headers)

    done = growing_stage.replay()

    assert done.status == 1
    assert sentence in done.stderr
    assert "The live read models are as they were" in done.stderr
    assert growing_stage.is_untouched()


def test_a_fact_that_is_damaged_in_the_store_is_named_whatever_is_asked_for(stage: Stage) -> None:
    bad = FACTS[20]
    stage.run(
        "SET session_replication_role = replica;"
        f" UPDATE store.events SET payload = substr(payload, 1, 15) WHERE event_id = '{bad.event_id}'"
    )

    for arguments in ((), ("--stream", bad.stream), ("--as-of", "60")):
        done = stage.replay("--source", "store", *arguments)

        assert done.status == 1
        assert (
            f"Position {bad.position} ({bad.type} of {bad.stream}, version 1) cannot be read in the store"
            in done.stderr
        )
        assert "Run `python -m commands verify`" in done.stderr
    assert stage.is_untouched()


def test_where_no_report_can_be_written_nothing_is_begun(stage: Stage) -> None:
    (stage.folder / "reports").write_text("in the way")

    for arguments in ((), ("--stream", FACTS[0].stream)):
        done = stage.replay("--source", "store", *arguments)

        assert done.status == 1
        assert f"No report can be written to {stage.folder / 'reports'} (File exists)." in done.stderr
    assert stage.states() == {"payments_1": "live"}


def test_a_place_that_the_topic_does_not_hold_is_named(growing_stage: Stage) -> None:
    """As after a topic was deleted and made anew: the half-built generation stands where it does not reach."""
    append_and_count_as_seen(growing_stage, b"hello", b"world", [])
    assert growing_stage.replay().status == 1
    growing_stage.run("UPDATE read.checkpoints SET next_offset = generation * -1000000 + 3000000 WHERE partition = 0")

    done = growing_stage.replay()

    assert done.status == 1
    assert "payments holds no offset 1000000 in partition 0" in done.stderr
    assert "python -m projections move" in done.stderr
    assert growing_stage.is_untouched()


# What breaks in the middle.


def after_some_facts(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Replays read ten facts at a time, and `then` something happens, once."""
    todo = [then]

    def told(_screen: object, _what: str, done: int, _total: int) -> None:
        if done >= 50 and todo:
            todo.pop()()

    monkeypatch.setattr("projections.building._FACTS_AT_ONCE", 10)
    monkeypatch.setattr("runtime.screen.Screen.progress", told)


@pytest.mark.parametrize("application", ["tillstream replay", "tillstream replay folding"])
def test_postgres_lost_in_the_middle_costs_nothing_that_was_built(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, application: str
) -> None:
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{application}'"
    with monkeypatch.context() as patch:
        after_some_facts(patch, lambda: stage.run(f"{end} AND datname = current_database()"))
        done = stage.replay("--source", "store")

    assert done.status == 1
    assert "Postgres broke off (" in done.stderr
    assert stage.is_untouched()
    again = stage.replay("--source", "store")
    assert again.status == 0, again.said
    assert "Going on with payments_2" in again.stdout


def test_a_full_disk_is_said_and_the_replay_goes_on_once_there_is_room(stage: Stage) -> None:
    """The server raises the error as it does on a full disk (SQLSTATE 53100): at a row of the new generation."""
    stage.run(
        """
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE disk_full USING MESSAGE = 'could not extend file "base/1/2": No space left on device';
        END $$;
        CREATE TRIGGER full_disk BEFORE UPDATE ON read.checkpoints FOR EACH ROW
            WHEN (NEW.generation = 2 AND NEW.next_offset > 20) EXECUTE FUNCTION full_disk();
        """
    )

    done = stage.replay("--source", "store")

    assert done.status == 1
    assert "Postgres has no room left for the new tables (could not extend file" in done.stderr
    assert "Make room on its disk" in done.stderr
    assert stage.is_untouched()
    stage.run("DROP TRIGGER full_disk ON read.checkpoints")
    again = stage.replay("--source", "store")
    assert again.status == 0, again.said


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A broker that nobody else uses: where it is, and what kills it."""
    with Supervisor(tmp_path / "logs", lambda _: None) as parts:
        broker = Kafka(tmp_path / "kafka", free_port(), free_port())
        parts.start(broker.part())
        yield broker.bootstrap_servers, lambda: parts.kill("kafka")


def test_kafka_lost_in_the_middle_ends_it_with_a_sentence(
    database_url: str, own_kafka: tuple[str, Callable[[], None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap_servers, kill = own_kafka
    stage = set_stage(database_url, bootstrap_servers, "tillstream.", tmp_path)
    # The client fetches ahead: only from records of the size of a fetch does it need the broker again in the middle.
    monkeypatch.setattr("eventlog.kafka._CONSUMER", {**fetching_little()})
    monkeypatch.setattr("projections.building._SILENT_READS", 3)
    after_some_facts(monkeypatch, kill)

    done = stage.replay()

    assert done.status == 1
    assert "Nothing more could be read of payments" in done.stderr
    assert "See that Kafka runs" in done.stderr
    assert stage.is_untouched()


def fetching_little() -> Mapping[str, Any]:
    from eventlog.kafka import _CONSUMER

    return {**_CONSUMER, "max_partition_fetch_bytes": 1, "queued_max_messages_kbytes": 1, "queued_min_messages": 1}
