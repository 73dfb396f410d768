"""One stream folded anew and held against its live rows: a check of a single key, and its mending."""

import json
import threading
from typing import Any

import psycopg
import pytest

from eventlog.topics import partition_of
from projections import folding, generations
from projections.catalog import READ_MODELS
from projections.comparison import tables_of
from tests.projecting import wait_until
from tests.projections.stage import FACTS, Stage
from tests.published import PARTITIONS

PAYMENT = FACTS[0].stream
WALLET = next(fact.stream for fact in FACTS if fact.topic == "credits")


def test_every_table_names_the_stream_that_its_rows_come_from(whole_stage: Stage) -> None:
    with folding.connect(whole_stage.env["DATABASE_URL"], "test") as connection:
        for generation in generations.load(connection, READ_MODELS, "live"):
            for name, table in tables_of(connection, generation).items():
                assert generation.model.stream_column in table.columns, f"{generation.model.name}.{name}"


@pytest.mark.parametrize("source", ["kafka", "store"])
@pytest.mark.parametrize("stream", [PAYMENT, WALLET])
def test_rows_that_are_as_their_facts_say_are_found_equal_in_every_read_model(
    whole_stage: Stage, source: str, stream: str
) -> None:
    done = whole_stage.replay("--all", "--source", source, "--stream", stream)

    assert done.status == 0, done.said
    assert f"Every row of {stream} is as its facts say." in done.stdout
    facts = sum(fact.stream == stream for fact in FACTS)
    [row] = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("audit.facts")]
    assert row[1:6] == [str(facts), str(facts), "0", "0", "0"]
    assert all(state == "live" for state in whole_stage.states().values()), "nothing is left behind"


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_rows_that_are_being_looked_into_after_a_death_are_left_alone(stage: Stage, source: str) -> None:
    stage.run("UPDATE read.checkpoints SET suspect_to = 1 WHERE read_model = 'payments'")

    done = stage.replay("--source", source, "--stream", PAYMENT)

    assert done.status == 1
    assert "whether it died of a fact" in done.said.replace("\n", " ")


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_a_wrong_row_is_named_and_left_alone(stage: Stage, source: str) -> None:
    stage.run(f"UPDATE payments_1.payments SET amount_minor = 1, currency = 'eur' WHERE payment_id = '{PAYMENT}'")
    wrong = stage.ask(f"SELECT * FROM payments_1.payments WHERE payment_id = '{PAYMENT}'")

    done = stage.replay("--source", source, "--stream", PAYMENT)

    assert done.status == 1
    assert f"payments.payments payment_id={PAYMENT}: amount_minor 1 → 2999, currency 'eur' → 'usd'" in done.stdout
    assert "nothing is changed" in done.stdout
    assert stage.ask(f"SELECT * FROM payments_1.payments WHERE payment_id = '{PAYMENT}'") == wrong
    [file] = (stage.folder / "reports").glob(f"*-payments-{PAYMENT}.json")
    found: dict[str, Any] = json.loads(file.read_text())
    assert (found["stream"], found["equal"]) == (PAYMENT, False)
    assert {table["table"]: table["different"] for table in found["tables"]} == {
        "payments": 1,
        "disputes": 0,
        "refunds": 0,
    }


@pytest.mark.parametrize(
    "damage",
    [
        f"UPDATE payments_1.payments SET amount_minor = 1 WHERE payment_id = '{PAYMENT}'",
        f"DELETE FROM payments_1.payments WHERE payment_id = '{PAYMENT}'",
    ],
)
def test_with_a_reason_the_rebuilt_rows_take_the_place_of_the_live_ones(stage: Stage, damage: str) -> None:
    stage.run(damage)

    done = stage.replay("--stream", PAYMENT, "--accept-differences", "a slip by hand")

    assert done.status == 0, done.said
    assert f"Rows of {PAYMENT} differed; the rebuilt ones stand in their place (a slip by hand)." in done.stdout
    assert stage.is_untouched(), "all is as it was before the damage"
    assert stage.replay("--stream", PAYMENT).status == 0


def test_a_row_that_comes_from_no_fact_is_taken_away(whole_stage: Stage) -> None:
    whole_stage.run(
        f"INSERT INTO audit_1.facts SELECT 100000, event_id, type, stream, 100, part, project_id, actor, correlation_id,"
        f" causation_id, recorded_at, data, hash FROM audit_1.facts WHERE stream = '{PAYMENT}' LIMIT 1"
    )

    found = whole_stage.replay("--all", "--stream", PAYMENT)
    mended = whole_stage.replay("--all", "--stream", PAYMENT, "--accept-differences", "made by hand")

    assert found.status == 1
    assert "audit.facts position=100000: only in the live one" in found.stdout
    assert mended.status == 0, mended.said
    assert whole_stage.ask("SELECT 1 FROM audit_1.facts WHERE position = 100000") == []


def test_facts_that_the_live_generation_has_not_seen_make_no_difference(stage: Stage) -> None:
    """As after a projector that was stopped: the log goes on, the rows do not."""
    last = max(fact.position for fact in FACTS if fact.stream == PAYMENT)
    partition = partition_of(PAYMENT.encode(), PARTITIONS)
    seen = [f for f in FACTS if f.topic == "payments" and f.position < last]
    stage.run("TRUNCATE payments_1.payments")
    with folding.connect(stage.env["DATABASE_URL"], "test") as connection:
        [live] = generations.load(connection, [model for model in READ_MODELS if model.name == "payments"], "live")
        with connection.transaction(), connection.cursor() as cursor:
            live.model.apply(seen, cursor, live.schema)
    offset = sum(partition_of(fact.stream.encode(), PARTITIONS) == partition for fact in seen)
    stage.run(
        f"UPDATE read.checkpoints SET last_position = {last - 1}, next_offset = {offset} WHERE partition = {partition}"
    )

    for source in ("kafka", "store"):
        done = stage.replay("--source", source, "--stream", PAYMENT)

        assert done.status == 0, done.said


def test_a_projector_waits_for_a_mending_and_loses_nothing(stage: Stage) -> None:
    """The mending is held up before its commit: until then nobody moves the checkpoint that the rows go by."""
    stage.run(f"DELETE FROM payments_1.payments WHERE payment_id = '{PAYMENT}'")
    stage.run(
        """
        CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
        CREATE TRIGGER hold_up BEFORE INSERT ON payments_1.payments FOR EACH ROW EXECUTE FUNCTION hold_up();
        """
    )
    done = []
    with psycopg.connect(stage.env["DATABASE_URL"]) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        mending = threading.Thread(
            target=lambda: done.append(stage.replay("--stream", PAYMENT, "--accept-differences", "lost"))
        )
        mending.start()
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        wait_until(lambda: bool(stage.ask(waits)))
        with pytest.raises(psycopg.errors.LockNotAvailable):
            stage.run("SET lock_timeout = '100ms'; UPDATE read.checkpoints SET epoch = epoch + 1")
        connection.execute("SELECT pg_advisory_unlock(1)")
        mending.join()

    assert done[0].status == 0, done[0].said
    stage.run("DROP TRIGGER hold_up ON payments_1.payments")
    assert stage.is_untouched()


def test_what_cannot_be_checked_is_said(stage: Stage) -> None:
    for arguments, sentence in (
        (["--stream", "pay_nobody"], "The log has no stream 'pay_nobody'."),
        (["--stream", WALLET], f"No row comes from '{WALLET}' there: payments shows pay_…."),
        (
            ["--all", "--stream", "order-7"],
            "No row comes from 'order-7' there: payments shows pay_…; subscriptions shows sub_…",
        ),
        (["--all", "--stream", PAYMENT], "audit was never built, so there is nothing to compare with."),
    ):
        done = stage.replay(*arguments)

        assert done.status == 1
        assert sentence in done.stderr
    assert stage.is_untouched()


def test_rows_of_another_shape_are_not_mended_one_by_one(stage: Stage) -> None:
    stage.run("ALTER TABLE payments_1.payments ADD COLUMN colour text NOT NULL DEFAULT 'red'")

    done = stage.replay("--stream", PAYMENT, "--accept-differences", "a new column")

    assert done.status == 1
    assert "The live tables of payments have other columns than this code's" in done.stderr
