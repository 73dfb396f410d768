"""Generations by hand: listed, switched back and forth, dropped."""

from pathlib import Path

import pytest

from tests.projecting import projector, wait_until
from tests.projections.stage import Stage
from tests.published import History, lives_of_payments, put_in_store, send


@pytest.fixture
def replayed(stage: Stage) -> Stage:
    """`payments_2` answers, and `payments_1`, from before the replay, follows."""
    return replay_once(stage)


def replay_once(stage: Stage) -> Stage:
    done = stage.replay()
    assert done.status == 0, done.said
    return stage


def test_the_one_before_a_replay_answers_again_after_a_switch_and_the_other_follows(replayed: Stage) -> None:
    back = replayed.tool("switch", "payments", "1", "--reason", "the new prices look wrong")

    assert (back.status, back.stdout) == (0, "Answering from now on: payments_1.\n")
    assert replayed.states() == {"payments_1": "live", "payments_2": "following"}

    forth = replayed.tool("switch", "payments", "2")

    assert forth.status == 0
    assert replayed.states() == {"payments_1": "following", "payments_2": "live"}
    reasons = replayed.ask("SELECT reason FROM read.switches ORDER BY id")
    assert reasons == [("every row is equal",), ("every row is equal",), ("the new prices look wrong",), ("by hand",)]


def test_what_is_switched_back_to_shows_what_came_since(growing_stage: Stage, tmp_path: Path) -> None:
    replayed = replay_once(growing_stage)
    history = History()
    lives_of_payments(60, history=history)
    seen = len(history.facts)
    lives_of_payments(20, seed=2, history=history)
    put_in_store(replayed.env["DATABASE_URL"], history.facts[seen:])
    send(replayed.env["KAFKA_BOOTSTRAP_SERVERS"], replayed.env["KAFKA_TOPIC_PREFIX"], history.facts[seen:])
    with projector(replayed.env, tmp_path / "log"):
        wait_until(lambda: replayed.ask("SELECT count(*) FROM payments_2.payments") == [(80,)])

    done = replayed.tool("switch", "payments", "1")

    assert done.status == 0, done.said
    assert replayed.ask("SELECT count(*) FROM payments_1.payments") == [(80,)]


def test_a_switch_to_the_one_that_answers_changes_nothing(replayed: Stage) -> None:
    done = replayed.tool("switch", "payments", "2")

    assert (done.status, done.stdout) == (0, "Answering already: payments_2.\n")


def test_only_what_is_kept_level_may_answer(replayed: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.switching._PATIENCE_SECONDS", 0.1)
    replayed.run("UPDATE read.checkpoints SET next_offset = next_offset - 1 WHERE generation = 1 AND partition = 0")

    done = replayed.tool("switch", "payments", "1")

    assert done.status == 1
    assert (
        "payments_1 cannot answer: it does not stand where payments_2 does; start a projector and wait" in done.stderr
    )
    assert replayed.states() == {"payments_1": "following", "payments_2": "live"}


def test_what_was_never_found_equal_may_not_answer(stage: Stage) -> None:
    for number, (state, sentence) in enumerate(
        [
            ("building", "it is only half-built"),
            ("refused", "its rows differed from the live ones"),
            ("kept", "it shows the read model as of a position"),
            ("following", "it was never compared with the live one"),
        ],
        start=2,
    ):
        stage.run(
            "INSERT INTO read.generations (read_model, generation, state, source)"
            f" VALUES ('payments', {number}, '{state}', 'kafka')"
        )

        done = stage.tool("switch", "payments", str(number))

        assert done.status == 1
        assert f"payments_{number} cannot answer: {sentence}" in done.stderr
        assert stage.states()["payments_1"] == "live"


def test_a_generation_that_is_not_there_is_told_with_those_that_are(replayed: Stage) -> None:
    for tool in ("switch", "drop"):
        done = replayed.tool(tool, "payments", "7")

        assert done.status == 1
        assert done.stderr == "There is no payments_7; there are payments_1, payments_2.\n"


def test_a_generation_is_dropped_with_its_tables_unless_it_answers(replayed: Stage) -> None:
    refused = replayed.tool("drop", "payments", "2")
    dropped = replayed.tool("drop", "payments", "1")

    assert (refused.status, dropped.status) == (1, 0)
    assert refused.stderr == "payments_2 answers just now; switch to another one first.\n"
    assert replayed.states() == {"payments_2": "live"}
    assert replayed.ask("SELECT 1 FROM payments_1.payments") == []


def test_all_generations_and_switches_are_listed(replayed: Stage) -> None:
    done = replayed.tool("generations")

    assert done.status == 0, done.said
    first, second = (line.split() for line in done.stdout.splitlines()[1:3])
    assert first[:3] == ["payments_1", "follows", "store"]
    assert second[:3] == ["payments_2", "answers", "kafka"]
    assert "payments_1 → payments_2: every row is equal" in done.stdout
