"""A replay of what cannot be applied: it parks it, says so, and leaves out what was skipped."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from domain.payment import PAYMENTS
from projections import folding, parking, payments
from projections.parking import Decision
from tests.projecting import ask, environment, replay
from tests.published import lives_of_payments, make_topics, put_in_store, send
from tests.samples import initiated, opened

# A user id for which no index has room.
ENDLESS = "".join(chr(0x100 + number * 7919 % 40_000) for number in range(5_000))


@pytest.fixture
def env(database_url: str, kafka_bootstrap: str, topic_prefix: str) -> Mapping[str, str]:
    history = lives_of_payments(30)
    history.commit(PAYMENTS.at("pay_1").facts(initiated("pay_1", user_id=ENDLESS)))
    history.commit(PAYMENTS.at("pay_1").facts(opened("pay_1")))
    make_topics(kafka_bootstrap, topic_prefix)
    put_in_store(database_url, history.facts)
    send(kafka_bootstrap, topic_prefix, history.facts)
    return environment(database_url, kafka_bootstrap, topic_prefix)


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_a_replay_parks_what_cannot_be_applied_says_so_and_leaves_out_what_is_skipped(
    source: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    done = replay(env, tmp_path, "payments", "--source", source)

    assert done.status == 0
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


def report(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def shown(env: Mapping[str, str], generation: int) -> int:
    [(count,)] = ask(env["DATABASE_URL"], f"SELECT count(*)::int FROM payments_{generation}.payments")
    return int(count)
