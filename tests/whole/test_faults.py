"""What dies or goes away while payments go on, and that nothing of it shows afterwards."""

import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx
import psycopg
import pytest

from sandbox.platform import Platform
from tests.whole.shop import Shop, eventually

PAYMENTS = int(os.environ.get("TILLSTREAM_TEST_PAYMENTS", "200"))  # 2,000 take two minutes
CALLERS = 8


@pytest.fixture(scope="module")
def seed() -> int:
    return random.randrange(10**6)


def once(records: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The one rule for readers: keep the last position per partition, drop what is not higher."""
    last: dict[str, int] = defaultdict(int)
    kept = []
    for record in records:
        position = int(record["ce_position"])
        if position > last[record["partition"]]:
            last[record["partition"]] = position
            kept.append(record)
    return kept


def check_log(records: Sequence[dict[str, str]], database_url: str) -> None:
    """Kafka holds what the store holds, each position once, no gap, streams in order, every hash chained to the last."""
    kept = sorted(once(records), key=lambda record: int(record["ce_position"]))
    with psycopg.connect(database_url) as connection:
        stored = connection.execute("SELECT position, encode(hash, 'hex') FROM store.positions ORDER BY 1").fetchall()
        assert connection.execute("SELECT count(*) FROM store.outbox").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM store.events").fetchone() == (len(stored),)
    assert [position for position, _ in stored] == list(range(1, len(stored) + 1))
    assert [(int(record["ce_position"]), record["ce_hash"]) for record in kept] == stored
    assert all(later["ce_prevhash"] == earlier["ce_hash"] for earlier, later in pairwise(kept))
    versions: dict[str, int] = defaultdict(int)
    for record in kept:
        assert int(record["ce_streamversion"]) == versions[record["ce_subject"]] + 1
        versions[record["ce_subject"]] += 1


def caught_up(platform: Platform, published: Any) -> list[dict[str, str]]:
    """Every record in Kafka, once everything recorded is there and shown."""
    url = platform.environment["DATABASE_URL"]

    def behind() -> tuple[int, int] | None:
        """Facts that Kafka has not acknowledged, and that are not shown; None while no projector lived long enough to begin."""
        with psycopg.connect(url) as connection:
            live = connection.execute(
                "SELECT generation FROM read.generations WHERE read_model = 'audit' AND state = 'live'"
            ).fetchone()
            if live is None:
                return None
            row = connection.execute(
                "SELECT (SELECT count(*) FROM store.outbox) + (SELECT coalesce(max(position), 0) FROM store.positions)"
                " - (SELECT published FROM store.publisher),"
                f" (SELECT count(*) FROM store.events) - (SELECT count(*) FROM audit_{live[0]}.facts)"
            ).fetchone()
            assert row is not None
            return row[0], row[1]

    eventually(behind, lambda found: found == (0, 0), 120)
    records: list[dict[str, str]] = published()
    return records


def order(shop: Shop, number: int) -> str:
    """A payment for a customer of its own, asked for until it is answered."""
    while True:
        try:
            with httpx.Client(timeout=60, trust_env=False) as http:
                answer = Shop(shop.platform, http, shop.key).order(f"user-{number}", f"order-{number}")
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.status_code == 201:
            return str(answer.json()["payment_id"])
        assert answer.status_code in (202, 409, 503), answer.text
        time.sleep(0.2)


def test_publisher_and_projector_killed_again_and_again_lose_and_double_nothing(
    shop: Shop, platform: Platform, published: Any, seed: int
) -> None:
    chance = random.Random(seed)
    with ThreadPoolExecutor(CALLERS) as callers:
        orders = [callers.submit(order, shop, number) for number in range(PAYMENTS)]
        while not all(ordered.done() for ordered in orders):
            name = chance.choice(["publisher", "projector"])
            platform.parts.kill(name)
            time.sleep(chance.uniform(0, 0.5))
            platform.parts.start_again(name)
            time.sleep(chance.uniform(0.5, 2))
        payment_ids = {ordered.result() for ordered in orders}

    assert len(payment_ids) == PAYMENTS
    check_log(caught_up(platform, published), platform.environment["DATABASE_URL"])
    shown = [payment["payment_id"] for payment in every_payment(shop)]
    assert len(shown) == PAYMENTS
    assert set(shown) == payment_ids


def every_payment(shop: Shop) -> list[dict[str, Any]]:
    """The whole list, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = shop.get(f"/payments?limit=100{cursor}")
        found += page["payments"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_while_kafka_is_away_commands_are_accepted_and_arrive_in_order_afterwards(
    shop: Shop, platform: Platform, published: Any
) -> None:
    platform.parts.stop("kafka")
    started = time.monotonic()
    payment_ids = [order(shop, number) for number in range(20)]
    while time.monotonic() - started < 35:  # Longer than any of Kafka's and librdkafka's time-outs for one attempt.
        payment_ids.append(order(shop, len(payment_ids)))
        time.sleep(1)
    assert publish_lag(platform) >= len(payment_ids)

    platform.parts.start_again("kafka")

    check_log(caught_up(platform, published), platform.environment["DATABASE_URL"])
    assert {payment["payment_id"] for payment in every_payment(shop)} == set(payment_ids)
    assert publish_lag(platform) == 0


def publish_lag(platform: Platform) -> float:
    """How many facts wait to be published, as the API's metrics say."""
    metrics = httpx.get(f"{platform.url}/metrics", trust_env=False).text
    (line,) = [line for line in metrics.splitlines() if line.startswith("tillstream_unpublished_facts ")]
    return float(line.split()[1])


def test_while_postgres_is_away_callers_are_told_to_come_back(shop: Shop, platform: Platform) -> None:
    platform.parts.stop("postgres")
    try:
        answer = shop.order()
    finally:
        platform.parts.start_again("postgres")

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["error"]["type"] == "system_error"
    eventually(lambda: shop.order().status_code, lambda status: status == 201, 60)


def test_a_projector_that_slept_past_its_session_changes_nothing_when_it_wakes(
    shop: Shop, platform: Platform, published: Any
) -> None:
    platform.parts.pause("projector")
    payment_ids = [shop.buy(f"sleeper-{number}")["payment_id"] for number in range(5)]
    time.sleep(5)
    platform.parts.resume("projector")

    for payment_id in payment_ids:
        eventually(lambda id=payment_id: shop.status(id), lambda status: status == "succeeded", 90)  # type: ignore[misc]
    check_log(caught_up(platform, published), platform.environment["DATABASE_URL"])


@pytest.mark.parametrize("source", ["kafka", "store"])
def test_a_rebuild_equals_the_live_tables_and_takes_their_place(shop: Shop, platform: Platform, source: str) -> None:
    payment = shop.buy("rebuilt")
    eventually(lambda: shop.status(payment["payment_id"]), lambda status: status == "succeeded", 90)

    done = subprocess.run(
        [sys.executable, "-m", "projections", "replay", "--all", "--source", source],
        env={**platform.environment, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every row is equal" in done.stdout
    assert shop.status(payment["payment_id"]) == "succeeded"
    later = shop.buy("after-the-rebuild")
    eventually(lambda: shop.status(later["payment_id"]), lambda status: status == "succeeded", 60)
