"""`python -m commands republish`: the facts go out again to a new prefix, and the service moves there without a gap."""

import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from commands.__main__ import app
from commands.publisher import republishing as republishing_module
from commands.publisher import sending
from commands.publisher.publications import republishing
from commands.publisher.sending import Sender
from eventlog import verification
from eventlog.topics import TopicSettings, partition_of
from runtime import leadership
from schemas.envelope import Recorded
from tests.commands.publisher.kafka_reading import Record, read_all
from tests.commands.publisher.processes import PublisherProcess, wait_for
from tests.projecting import Done, ask, environment, projections, projector, replay, wait_until
from tests.published import PARTITIONS, lives_of_payments, make_topics, put_in_store, send

FACTS = lives_of_payments(40).facts
END = FACTS[-1].position
HALF_WAY = 90
NEW_PARTITIONS = 3  # Others than before, and fewer, so that every one gets facts of several old ones.


class Stage(NamedTuple):
    """A store, topics that the publisher has filled from it, and a prefix that nobody uses."""

    env: Mapping[str, str]
    database_url: str
    servers: str
    old: str
    new: str

    def settings(self, prefix: str, partitions: int = NEW_PARTITIONS) -> TopicSettings:
        return TopicSettings(prefix=prefix, partitions=partitions, replication=1, min_isr=1)

    def run(self, statement: str) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement.encode())

    def command(self, *arguments: str, **changes: str) -> Done:
        """With the environment that the service is to have from then on."""
        result = CliRunner().invoke(app, arguments, env={**self.env, **changes})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def republish(self, first: int = 1, **changes: str) -> Done:
        return self.command("republish", "--from", str(first), **changes)

    def held(self) -> Sequence[Record]:
        return read_all(self.servers, self.settings(self.new))


@pytest.fixture
def stage(
    database_url: str,
    kafka_bootstrap: str,
    topic_prefix: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Stage:
    """All facts are in Kafka already, or those up to the position of the parameter; the later ones are recorded only."""
    monkeypatch.setattr(verification, "_LATECOMERS_SECONDS", 0.1)
    published = getattr(request, "param", END)
    old, new = f"{topic_prefix}old.", f"{topic_prefix}new."
    make_topics(kafka_bootstrap, old)
    send(kafka_bootstrap, old, FACTS[:published])
    put_in_store(database_url, FACTS)
    env = {
        **environment(database_url, kafka_bootstrap, new),
        "KAFKA_TOPIC_PARTITIONS": str(NEW_PARTITIONS),
        "TILLSTREAM_URL": "http://127.0.0.1:8000",
        "TILLSTREAM_STARTUP_SECONDS": "5",
    }
    made = Stage(env, database_url, kafka_bootstrap, old, new)
    made.run(
        f"WITH late AS (DELETE FROM store.positions WHERE position > {published} RETURNING position, stream, version)"
        " INSERT INTO store.outbox (command_id, stream, version)"
        " SELECT command_id, stream, version FROM late JOIN store.events USING (stream, version) ORDER BY position"
    )
    made.run(f"INSERT INTO store.publications VALUES ('{old}', {PARTITIONS}, 1, 0)")
    made.run(f"UPDATE store.publisher SET prefix = '{old}', published = {published}")
    return made


def assert_holds(held: Sequence[Record], facts: Sequence[Recorded]) -> None:
    """Each fact once, as it was, in the partition where its stream belongs, in order."""
    assert sorted(record.fact.position for record in held) == [fact.position for fact in facts]
    by_position = {record.fact.position: record for record in held}
    for fact in facts:
        record = by_position[fact.position]
        assert record.fact == fact
        assert record.partition == partition_of(fact.stream.encode(), NEW_PARTITIONS)
    last: dict[tuple[str, int], int] = {}
    for partition, fact in held:
        assert fact.position > last.get((fact.topic, partition), 0)
        last[fact.topic, partition] = fact.position


def test_every_fact_goes_out_again_with_its_position_and_hash_to_where_its_stream_belongs(stage: Stage) -> None:
    done = stage.republish()

    assert done.status == 0, done.said
    assert f"{END} of {END} facts" in done.stdout
    assert f"Positions 1 to {END} are in the topics {stage.new}… now." in done.stdout
    assert_holds(stage.held(), FACTS)
    assert ask(stage.database_url, "SELECT prefix, published FROM store.publisher") == [(stage.old, END)]
    verified = stage.command("verify")
    assert verified.status == 0, verified.said
    assert stage.republish().status == 0
    assert len(stage.held()) == END, "nothing is sent where everything is there"


def test_topics_may_begin_later_and_are_verified_from_there(stage: Stage) -> None:
    done = stage.republish(60)

    assert done.status == 0, done.said
    assert_holds(stage.held(), FACTS[59:])
    for arguments in (["verify"], ["verify", "--source", "kafka", "--from", "60"]):
        verified = stage.command(*arguments)
        assert verified.status == 0, verified.said
    whole = stage.command("verify", "--source", "kafka")
    assert whole.status == 1
    assert "Position 1 is missing in Kafka: position 60 follows 0 there" in whole.stdout
    begun_elsewhere = stage.republish(1)
    assert begun_elsewhere.status == 1
    assert "begin with position 60, not with 1. To go on with them, say --from 60" in begun_elsewhere.stderr


def test_what_cannot_be_is_refused_with_what_to_do_instead_and_nothing_is_sent(stage: Stage) -> None:
    stranger = Producer({"bootstrap.servers": stage.servers})
    make_topics(stage.servers, f"{stage.new}used.", NEW_PARTITIONS)
    send(stage.servers, f"{stage.new}used.", FACTS[:3], NEW_PARTITIONS)
    make_topics(stage.servers, f"{stage.new}foreign.", NEW_PARTITIONS)
    stranger.produce(f"{stage.new}foreign.payments", b"hello", partition=0)
    stranger.flush()
    for first, changes, sentence in (
        (END + 1, {}, f"There is nothing to republish from position {END + 1} on: the log ends at {END}."),
        (1, {"KAFKA_TOPIC_PREFIX": stage.old}, f"The publisher fills the topics {stage.old}…"),
        (1, {"KAFKA_TOPIC_PREFIX": f"{stage.new}used."}, "hold records already (payments)"),
        (1, {"KAFKA_TOPIC_PREFIX": f"{stage.new}foreign."}, "Only the publisher may write there"),
        (
            1,
            {"KAFKA_TOPIC_PREFIX": f"{stage.new}used.", "KAFKA_TOPIC_PARTITIONS": "5"},
            f"{stage.new}used.payments: the number of partitions is 3 and must be 5.",
        ),
        (1, {"KAFKA_TOPIC_PREFIX": "no/slash"}, "KAFKA_TOPIC_PREFIX: "),
        (1, {"TILLSTREAM_URL": ""}, "TILLSTREAM_URL: "),
    ):
        done = stage.republish(first, **changes)

        assert done.status == 1, done.said
        assert sentence in done.stderr
    assert stage.republish(0).status == 2
    assert ask(stage.database_url, "SELECT prefix FROM store.publications") == [(stage.old,)]


def test_what_is_in_kafka_alone_cannot_be_sent_again(stage: Stage) -> None:
    stage.run(
        "INSERT INTO store.acceptances (reason, store_position, kafka_position, kafka_hash)"
        " SELECT 'restored', 50, 70, hash FROM store.positions WHERE position = 70"
    )
    stage.run("DELETE FROM store.positions WHERE position BETWEEN 51 AND 70")

    refused, behind = stage.republish(), stage.republish(71)

    assert refused.status == 1
    assert "Positions 51 to 70 are not in this store" in refused.stderr
    assert "(restored)" in refused.stderr
    assert "Say --from 71" in refused.stderr
    assert behind.status == 0, behind.said
    assert_holds(stage.held(), FACTS[70:])


def test_one_at_a_time(stage: Stage) -> None:
    other = leadership.take(stage.database_url, republishing(stage.new))
    assert other is not None
    with other:
        done = stage.republish()

    assert done.status == 1
    assert f"Somebody is republishing to {stage.new}… already." in done.stderr


def test_kafka_and_postgres_lost_half_way_are_said_and_it_goes_on_when_they_are_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = sending.producer
    with monkeypatch.context() as away:
        away.setattr(republishing_module, "_SILENT_SECONDS", 0.3)
        away.setattr(sending, "producer", lambda _servers, **config: producer("127.0.0.1:1", **config))
        no_kafka = stage.republish()
    with monkeypatch.context() as cut:
        cut.setattr(republishing_module, "_AT_ONCE", 20)
        cut.setattr(Sender, "settle", lambda *_: stage.run(_CUT_OFF))
        no_postgres = stage.republish()

    assert (no_kafka.status, no_postgres.status) == (1, 1)
    assert "it has acknowledged nothing for 0.3 seconds" in no_kafka.stderr
    assert no_postgres.stderr.startswith("Postgres broke off (")
    assert stage.republish().status == 0
    assert_holds(stage.held(), FACTS)


_CUT_OFF = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'tillstream republish' AND datname = current_database()
"""

_DIES = """
import os, signal
from commands.__main__ import app
from commands.publisher import republishing, sending
republishing._AT_ONCE = 20
republishing._NOTE_SECONDS = 0
hand_over, batches = sending.Sender.hand_over, []
def dies(sender, facts):
    batches.append(facts)
    if len(batches) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    count = hand_over(sender, facts)
    if len(batches) < 3:
        sender.flush(10)
    return count
sending.Sender.hand_over = dies
app(["republish", "--from", "1"])
"""


def test_killed_half_way_it_goes_on_where_it_ended_when_it_is_run_again(stage: Stage) -> None:
    killed = subprocess.run([sys.executable, "-c", _DIES], env=dict(stage.env), check=False)
    half_way = len(stage.held())

    done = stage.republish()

    assert killed.returncode == -9
    assert 40 <= half_way < END
    assert done.status == 0, done.said
    assert_holds(stage.held(), FACTS)


# The service moves: publisher, readers, and what follows.


@pytest.fixture
def start_publisher(stage: Stage, tmp_path: Path) -> Iterator[Callable[[str, int], PublisherProcess]]:
    """Start `python -m commands publisher` on topics, which signs checkpoints."""
    signing = {"TILLSTREAM_SIGNING_KEY": b64encode(bytes(range(32))).decode(), "TILLSTREAM_CHECKPOINT_SECONDS": "0.1"}
    with ExitStack() as undo:

        def start(prefix: str, partitions: int) -> PublisherProcess:
            settings = stage.settings(prefix, partitions)
            process = PublisherProcess(stage.database_url, stage.servers, settings, tmp_path, (), signing)
            undo.callback(process.kill)
            return process

        yield start


@pytest.mark.parametrize("stage", [HALF_WAY], indirect=True)
def test_the_service_moves_to_republished_topics_without_a_gap_and_nothing_twice(
    stage: Stage, start_publisher: Callable[[str, int], PublisherProcess], tmp_path: Path
) -> None:
    """The procedure of docs/republishing.md."""
    before = {**stage.env, "KAFKA_TOPIC_PREFIX": stage.old, "KAFKA_TOPIC_PARTITIONS": str(PARTITIONS)}
    assert replay(before, tmp_path, "--all", "--source", "store").status == 0, "read models on the old topics"

    republished = stage.republish()
    publisher = start_publisher(stage.new, NEW_PARTITIONS)
    wait_for(lambda: ask(stage.database_url, "SELECT published FROM store.publisher") == [(END,)], "all is published")
    wait_for(lambda: publisher.metric("tillstream_checkpoint_position") == END, "all is signed")
    too_early = replay(stage.env, tmp_path, "--all", "--source", "kafka")
    moved, again = projections(stage.env, "move"), projections(stage.env, "move")
    too_late = replay(before, tmp_path, "--all", "--source", "kafka")
    with projector(stage.env, tmp_path / "projector.log"):
        wait_until(lambda: ask(stage.database_url, "SELECT count(*) FROM audit_1.facts") == [(END,)])
    rebuilt = replay(stage.env, tmp_path, "--all", "--source", "kafka")

    assert republished.status == 0, republished.said
    assert_holds(stage.held(), FACTS)
    verified = stage.command("verify")
    assert verified.status == 0, verified.said
    for refused in (too_early, too_late):
        assert refused.status == 1
        assert "run `python -m projections move`" in refused.stderr
    assert moved.status == 0, moved.said
    assert f"seen everything up to position {HALF_WAY:,}" in moved.stdout, "which is the end of the old topics"
    assert "Nothing is to be moved" in again.stdout
    assert rebuilt.status == 0, rebuilt.said


def test_a_publisher_waits_for_the_end_of_a_republishing_to_its_topics(
    stage: Stage, start_publisher: Callable[[str, int], PublisherProcess]
) -> None:
    other = leadership.take(stage.database_url, republishing(stage.new))
    assert other is not None
    with other:
        publisher = start_publisher(stage.new, NEW_PARTITIONS)
        wait_for(lambda: publisher.has_logged("waits for the end of the republishing to its topics"), "it waits")
        assert not publisher.has_logged("leading")
    wait_for(lambda: publisher.has_logged("leading"), "it leads")


@pytest.mark.parametrize("stage", [HALF_WAY], indirect=True)
def test_back_on_its_former_topics_a_publisher_sends_what_they_lack(
    stage: Stage, start_publisher: Callable[[str, int], PublisherProcess]
) -> None:
    assert stage.republish().status == 0
    on_the_new = start_publisher(stage.new, NEW_PARTITIONS)
    wait_for(lambda: ask(stage.database_url, "SELECT published FROM store.publisher") == [(END,)], "all is published")
    on_the_new.kill()

    published: Any = ask(stage.database_url, "SELECT prefix, published FROM store.publications ORDER BY prefix DESC")
    assert published == [(stage.old, HALF_WAY), (stage.new, HALF_WAY)]
    back = start_publisher(stage.old, PARTITIONS)
    wait_for(lambda: back.has_logged("leading"), "it leads")
    wait_for(lambda: ask(stage.database_url, "SELECT published FROM store.publisher") == [(END,)], "all is there too")
    sends_after = [entry["sends_after"] for entry in back.events() if entry["event"] == "leading"]
    assert sends_after == [HALF_WAY]
