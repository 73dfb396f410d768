"""Read models as of a position or a time, built from either log, and left for whoever wants to look at them."""

from pathlib import Path

import pytest

from projections import folding, generations
from projections.catalog import READ_MODELS
from projections.comparison import compare
from projections.generations import Generation
from schemas import times
from tests.projecting import replay
from tests.projections.stage import FACTS, Stage

MIDDLE = len(FACTS) // 2


def differences(stage: Stage, number: int, position: int) -> int:
    """How many rows of `<read model>_<number>` are not as the facts up to a position say, folded here at once."""
    with folding.connect(stage.env["DATABASE_URL"], "test") as connection:
        count = 0
        for model in READ_MODELS:
            expected = generations.create(connection, model, "building", "store")
            facts = [fact for fact in FACTS if fact.position <= position and fact.topic in model.topics]
            with connection.transaction(), connection.cursor() as cursor:
                model.apply(facts, cursor, expected.schema)
            tables = compare(connection, expected, Generation(model, number))
            count += sum(table.differences for table in tables)
            generations.drop(connection, expected)
        return count


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_generations_as_of_a_position_show_the_facts_up_to_it_and_answer_nobody(
    whole_stage: Stage, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.building._FACTS_AT_ONCE", 40)

    done = whole_stage.replay("--all", "--source", source, "--as-of", str(MIDDLE))

    assert done.status == 0, done.said
    states = whole_stage.states()
    assert {schema: state for schema, state in states.items() if schema.endswith("_2")} == {
        f"{model.name}_2": "kept" for model in READ_MODELS
    }
    assert states["payments_1"] == "live"
    assert differences(whole_stage, 2, MIDDLE) == 0
    assert f"payments_2 shows payments as of position {MIDDLE}: SELECT * FROM payments_2." in done.stdout
    assert "SELECT * FROM payments_2.payments;" in done.stdout
    assert "python -m projections drop payments 2" in done.stdout
    assert whole_stage.is_untouched()


def test_as_of_a_time_is_as_of_the_last_position_that_was_not_numbered_later(stage: Stage) -> None:
    [(numbered_at,)] = stage.ask(f"SELECT numbered_at FROM store.positions WHERE position = {MIDDLE}")
    [(position,)] = stage.ask(f"SELECT max(position) FROM store.positions WHERE numbered_at <= '{numbered_at}'")

    done = stage.replay("--source", "store", "--as-of", times.to_text(numbered_at))

    assert done.status == 0, done.said
    assert f"as of position {position}:" in done.stdout
    assert stage.ask("SELECT as_of FROM read.generations WHERE generation = 2") == [(position,)]


def test_what_is_kept_already_is_not_built_again_and_what_is_half_built_is_gone_on_with(stage: Stage) -> None:
    first = stage.replay("--as-of", str(MIDDLE))
    again = stage.replay("--as-of", str(MIDDLE))
    stage.run("UPDATE read.generations SET state = 'building' WHERE generation = 2")
    interrupted = stage.replay("--as-of", str(MIDDLE))
    other = stage.replay("--as-of", str(MIDDLE + 1))

    assert [first.status, again.status, interrupted.status, other.status] == [0, 0, 0, 0]
    assert "payments_2 is that already." in again.stdout
    assert "Going on with payments_2" in interrupted.stdout
    assert stage.states() == {"payments_1": "live", "payments_2": "kept", "payments_3": "kept"}


def test_a_later_replay_leaves_what_is_kept_alone(stage: Stage) -> None:
    stage.replay("--as-of", str(MIDDLE))

    done = stage.replay()

    assert done.status == 0, done.said
    assert stage.states() == {"payments_1": "following", "payments_2": "kept", "payments_3": "live"}


def test_from_the_store_it_needs_no_kafka(stage: Stage) -> None:
    done = stage.replay("--source", "store", "--as-of", str(MIDDLE), KAFKA_BOOTSTRAP_SERVERS="")

    assert done.status == 0, done.said


def test_kafka_that_does_not_hold_everything_yet_is_not_taken_for_the_past(stage: Stage) -> None:
    """The store has numbered facts that the publisher has not sent: what it would send is not in Kafka."""
    stage.run(
        "INSERT INTO store.events SELECT 'pay_new', 1, topic, type, gen_random_uuid(), command_id, project_id, actor,"
        " request_id, correlation_id, causation_id, schema_id, payload, recorded_at FROM store.events WHERE version = 1 LIMIT 1"
    )
    stage.run(
        "INSERT INTO store.positions (position, stream, version, hash, topic, project_id)"
        f" SELECT {len(FACTS) + 1}, 'pay_new', 1, hash, 'payments', project_id FROM store.positions WHERE position = 1"
    )

    done = stage.replay("--as-of", str(len(FACTS) + 1))

    assert done.status == 1
    assert f"Kafka does not hold every fact up to position {len(FACTS) + 1} yet" in done.stderr
    assert f"nothing is missing up to {len(FACTS)}" in done.stderr
    assert stage.is_untouched()


def test_the_future_and_what_was_before_everything_are_refused(stage: Stage) -> None:
    head = len(FACTS)
    for as_of, sentence in (
        (str(head + 1), f"Position {head + 1} is yet to come; the log ends at position {head} now."),
        ("2199-01-01T00:00:00Z", "2199-01-01T00:00:00.000000Z is yet to come"),
        ("0", "Position 0 is before the first fact of all, which has position 1"),
        ("2001-01-01T00:00:00+02:00", "2000-12-31T22:00:00.000000Z is before the first fact of all"),
    ):
        done = stage.replay("--source", "store", "--as-of", as_of)

        assert done.status == 1
        assert sentence in done.stderr
    assert stage.states() == {"payments_1": "live"}


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    for arguments, sentence in (
        (["--as-of", "yesterday"], "a time with its zone"),
        (["--as-of", "2026-03-01T12:00:00"], "a time with its zone"),
        (["--as-of", "5", "--stream", "pay_1"], "With --as-of nothing is compared"),
        (["--as-of", "5", "--accept-differences", "why not"], "With --as-of nothing is compared"),
        (["--accept-differences", " "], "Say why differences do not matter"),
    ):
        done = replay({"COLUMNS": "300"}, tmp_path, "payments", "--source", "store", *arguments)

        assert done.status == 2
        assert sentence in done.stderr
