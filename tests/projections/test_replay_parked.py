"""A replay of what cannot be applied: it parks it, says so, and leaves out what was skipped."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.payment import PAYMENTS
from projections import folding, parking, payments
from projections.parking import Decision
from tests.projecting import ask, environment, replay
from tests.published import lives_of_payments, make_topics, put_in_store, send
from tests.samples import initiated, opened

# A user id for which no index has room.
ENDLESS = "".join(chr(0x100 + number * 7919 % 40_000) for number in range(5_000))


HISTORY = lives_of_payments(30)
HISTORY.commit(PAYMENTS.at("pay_1").facts(initiated("pay_1", user_id=ENDLESS)))
HISTORY.commit(PAYMENTS.at("pay_1").facts(opened("pay_1")))


@pytest.fixture
def env(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> Mapping[str, str]:
    make_topics(kafka_bootstrap, topic_prefix)
    put_in_store(database_url, HISTORY.facts)
    send(kafka_bootstrap, topic_prefix, HISTORY.facts)
    return environment(database_url, kafka_bootstrap, topic_prefix)


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_a_replay_parks_what_cannot_be_applied_says_so_and_leaves_out_what_is_skipped(
    source: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    done = replay(env, tmp_path, "payments", "--source", source)

    assert done.status == 0
    assert "is built anew with its indexes, which takes longer, and parks that." in done.said
    assert "What stands still in the new ones, because it could not be applied: pay_1." in done.said
    [key] = report(tmp_path)["parked"]
    assert (key["stream"], key["waiting"]) == ("pay_1", 2)
    assert shown(env, 1) == 30

    with folding.connect(env["DATABASE_URL"], "operator") as connection:
        parking.decide(connection, payments, "pay_1", Decision("skip", "ada", "nobody is called that"))
    again = replay(env, tmp_path / "again", "payments", "--source", source)

    assert again.status == 0
    assert "stands still" not in again.said
    assert report(tmp_path / "again")["parked"] == []
    assert shown(env, 2) == 30


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_one_stream_with_such_a_fact_is_checked_as_far_as_it_can_be_folded(
    source: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    """Parked in the live one, then tried again in vain, then skipped: each time a sentence, a status, and no traceback."""
    one = ("payments", "--source", source, "--stream", "pay_1")
    assert replay(env, tmp_path, "payments", "--source", "store").status == 0

    parked = replay(env, tmp_path / "parked", *one)
    accepted = replay(env, tmp_path / "accepted", *one, "--accept-differences", "as far as it goes")
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("DELETE FROM read.parked_keys")
    unlike = replay(env, tmp_path / "unlike", *one, "--accept-differences", "why not")
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "INSERT INTO read.skips SELECT 'payments', event_id, 0, stream FROM store.events"
            " WHERE (stream, version) = ('pay_1', 1)"
        )
    skipped = replay(env, tmp_path / "skipped", *one)

    assert parked.status == 1
    assert "Every row of pay_1 is as its facts say, as far as they can be folded." in parked.stdout
    assert "In payments it stands still at position " in parked.stdout
    assert "and 2 facts wait there" in parked.stdout
    assert "python -m consumers parked skip payments pay_1 --reason" in parked.stdout
    assert [key["position"] for key in report(tmp_path / "parked")["parked"]] == [len(HISTORY.facts) - 1]
    assert accepted.status == 1, "it stands still all the same"
    assert unlike.status == 1
    assert "Nothing was changed." in unlike.stderr
    assert skipped.status == 0, skipped.said
    assert "Every row of pay_1 is as its facts say." in skipped.stdout
    assert shown(env, 1) == 30


def test_one_stream_that_is_parked_and_can_be_applied_now_is_told_to_be_tried_again(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    assert replay(env, tmp_path, "payments", "--source", "store").status == 0
    stream = HISTORY.facts[0].stream
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as connection:  # As if a fold was mended since.
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE read.parked_keys SET stream = %s", [stream])
        connection.execute("UPDATE read.parked_facts SET stream = %s", [stream])
        connection.execute("DELETE FROM payments_1.payments WHERE payment_id = %s", [stream])

    found = replay(env, tmp_path / "found", "payments", "--source", "store", "--stream", stream)
    mended = replay(
        env, tmp_path / "m", "payments", "--source", "store", "--stream", stream, "--accept-differences", "mend it"
    )

    assert (found.status, mended.status) == (1, 1)
    assert f"`python -m consumers parked retry payments {stream}`" in found.stdout
    assert f"python -m consumers parked retry payments {stream}" in mended.stderr
    assert shown(env, 1) == 29


def report(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def shown(env: Mapping[str, str], generation: int) -> int:
    [(count,)] = ask(env["DATABASE_URL"], f"SELECT count(*)::int FROM payments_{generation}.payments")
    return int(count)
