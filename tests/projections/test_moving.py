"""`python -m projections move`: the read models go on in other topics, wherever each of their partitions stood."""

from collections.abc import Mapping, Sequence

import pytest
from confluent_kafka.admin import AdminClient

from eventlog.kafka import LogInterrupted
from eventlog.topics import partition_of
from projections import folding, generations
from projections.catalog import READ_MODELS
from projections.moving import Moving
from schemas.envelope import Recorded
from schemas.names import TOPICS
from tests.projecting import projections, replay, wait_until
from tests.projections.stage import FACTS, Stage
from tests.published import PARTITIONS, lives_of_payments, make_topics, send

OTHER_PARTITIONS = 3


def other_topics(stage: Stage, prefix: str, facts: Sequence[Recorded]) -> Mapping[str, str]:
    """The environment with topics that hold these facts."""
    make_topics(stage.env["KAFKA_BOOTSTRAP_SERVERS"], prefix, OTHER_PARTITIONS)
    send(stage.env["KAFKA_BOOTSTRAP_SERVERS"], prefix, facts, OTHER_PARTITIONS)
    return {**stage.env, "KAFKA_TOPIC_PREFIX": prefix, "KAFKA_TOPIC_PARTITIONS": str(OTHER_PARTITIONS)}


def stand_unevenly(stage: Stage) -> None:
    """As when Kafka was lost while partition 1 was far behind: the others have shown everything, it a few facts."""
    late = [fact for fact in FACTS if partition_of(fact.stream.encode(), PARTITIONS) == 1 and fact.position > 30]
    seen = [fact for fact in FACTS if fact.topic == "payments" and fact not in late]
    stage.run("TRUNCATE payments_1.payments")
    with folding.connect(stage.env["DATABASE_URL"], "test") as connection:
        [live] = generations.load(connection, [model for model in READ_MODELS if model.name == "payments"], "live")
        with connection.transaction(), connection.cursor() as cursor:
            live.model.apply(seen, cursor, live.schema)
    stage.run("UPDATE read.checkpoints SET last_position = 30, next_offset = 1 WHERE partition = 1")


def test_what_one_partition_has_not_shown_comes_from_the_store_and_what_follows_from_the_new_topics(
    stage: Stage, topic_prefix: str
) -> None:
    stand_unevenly(stage)
    env = other_topics(stage, topic_prefix, FACTS)

    done = projections(env, "move")
    replayed = replay(env, stage.folder / "reports", "payments", "--source", "kafka")

    assert done.status == 0, done.said
    assert "from the store: " in done.stdout
    assert stage.ask("SELECT DISTINCT partition FROM read.checkpoints WHERE generation = 1 ORDER BY 1") == [
        (number,) for number in range(OTHER_PARTITIONS)
    ]
    assert replayed.status == 0, replayed.said
    assert "Every row is equal" in replayed.stdout


def test_topics_that_were_lost_and_made_anew_under_the_same_names_are_others(growing_stage: Stage) -> None:
    servers, prefix = growing_stage.env["KAFKA_BOOTSTRAP_SERVERS"], growing_stage.env["KAFKA_TOPIC_PREFIX"]
    assert growing_stage.replay().status == 0
    admin = AdminClient({"bootstrap.servers": servers})
    for deletion in admin.delete_topics([f"{prefix}{topic}" for topic in TOPICS.values()]).values():
        deletion.result()
    wait_until(lambda: not any(topic.startswith(prefix) for topic in admin.list_topics(timeout=10).topics))
    make_topics(servers, prefix)
    send(servers, prefix, FACTS)

    refused = growing_stage.replay()
    moved = projections(growing_stage.env, "move")
    replayed = growing_stage.replay()

    assert refused.status == 1
    assert "another one, in which their places mean nothing" in refused.stderr
    assert moved.status == 0, moved.said
    assert replayed.status == 0, replayed.said


def test_broken_off_half_way_nobody_reads_on_until_it_is_run_again(
    stage: Stage, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_unevenly(stage)
    env = other_topics(stage, topic_prefix, FACTS)

    def break_off(*_: object) -> None:
        raise LogInterrupted("The network is away.")

    with monkeypatch.context() as broken:
        broken.setattr(Moving, "_arrive", break_off)
        cut_off = projections(env, "move")
    meanwhile = stage.replay()
    done = projections(env, "move")

    assert (cut_off.status, meanwhile.status) == (1, 1)
    assert "Reading broke off: The network is away." in cut_off.stderr
    assert "on the way to others" in meanwhile.stderr
    assert done.status == 0, done.said
    assert stage.is_untouched()


def test_half_built_generations_are_dropped_since_they_stand_in_the_old_topics(stage: Stage, topic_prefix: str) -> None:
    stage.run("DELETE FROM payments_1.payments WHERE payment_id IN (SELECT min(payment_id) FROM payments_1.payments)")
    assert stage.replay().status == 1
    assert stage.states()["payments_2"] == "refused"

    done = projections(other_topics(stage, topic_prefix, FACTS), "move")

    assert done.status == 0, done.said
    assert stage.states() == {"payments_1": "live"}


def test_topics_that_do_not_go_on_where_the_read_models_stand_are_refused(stage: Stage, topic_prefix: str) -> None:
    env = other_topics(stage, topic_prefix, lives_of_payments(60, seed=2).facts)

    others_facts = projections(env, "move")
    stage.run(f"INSERT INTO store.publications VALUES ('{env['KAFKA_TOPIC_PREFIX']}', 3, {len(FACTS) + 2}, 0)")
    a_gap = projections(env, "move")

    assert (others_facts.status, a_gap.status) == (1, 1)
    assert "is not the fact that this store has there: these topics belong to another store" in others_facts.stderr
    assert f"begin with position {len(FACTS) + 2}, and the read models stand at {len(FACTS)}" in a_gap.stderr
    assert stage.is_untouched()
    assert stage.replay().status == 0, "the topics that were followed are followed still"
