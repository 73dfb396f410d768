"""A purchase of credits during which a process dies: at each step of it, whoever goes it, credits come exactly once."""

import json
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sandbox import supervisor
from sandbox.addresses import free_port
from sandbox.part import Part
from schemas import codec
from tests.crash import purchase, steps
from tests.crash.ground import ARMED, SPARES, UNARMED, CrashPlatform, Ground
from tests.crash.steps import Trap
from tests.whole.reading import read_topics
from tests.whole.shop import CARD, Shop, eventually, register
from tests.whole.test_faults import check_log, once

STEPS = {**steps.STEPS, **purchase.STEPS}
_DIES_WITHIN_SECONDS = 20.0
_ENDS_WITHIN_SECONDS = 150.0  # The first ones come to their ends while the last ones begin.


class PurchasePlatform(CrashPlatform):
    """One in which every process goes the steps of a purchase, and takes orders to die at one."""

    def __init__(self, ground: Ground, folder: Path, database_url: str, prefix: str) -> None:
        super().__init__(ground, folder, database_url, prefix)
        self.ports |= {name: free_port() for name in UNARMED}
        self.users_topic = f"{prefix}users"

    def _process(self, name: str) -> Part:
        part = super()._process(name)
        return self._armed(part, name) if name in UNARMED else part

    def _armed(self, part: Part, name: str) -> Part:
        armed = super()._armed(part, name)
        more = {steps.MORE: purchase.__name__, "KAFKA_USERS_TOPIC": self.users_topic}
        return replace(armed, environment={**armed.environment, **more})


@dataclass(frozen=True)
class Buyer:
    """A customer of their own for each death, so that a balance tells of one purchase."""

    platform: PurchasePlatform
    shop: Shop
    user_id: str

    def buy(self) -> str:
        """Ask until it is answered, under one key; pay once; and see it through. Returns the payment's id."""
        payment = self._asked()
        self.shop.stripe(f"checkout/{payment['checkout_session_id']}/pay", CARD)
        payment_id = str(payment["payment_id"])
        deadline = time.monotonic() + _ENDS_WITHIN_SECONDS
        while (shown := self._shown(payment_id)) != ("succeeded", 1000):
            assert time.monotonic() < deadline, f"still {shown}"
            time.sleep(0.3)  # Many wait at the same time.
        return payment_id

    def _asked(self) -> dict[str, Any]:
        deadline = time.monotonic() + _ENDS_WITHIN_SECONDS
        while True:
            try:
                answer = self.shop.order(self.user_id, idempotency_key=f"buy-{self.user_id}")
            except httpx.TransportError as error:
                said: object = error
            else:
                if answer.status_code == 201:
                    return dict(answer.json())
                assert answer.status_code in (202, 409, 503), answer.text
                said = answer.text
            assert time.monotonic() < deadline, f"never answered: {said!r}"
            time.sleep(0.1)

    def _shown(self, payment_id: str) -> tuple[str, int] | None:
        try:
            return self.shop.status(payment_id), self.shop.balance(self.user_id)
        except (httpx.TransportError, AssertionError):  # Nobody answers just now, or it is not shown yet.
            return None


@pytest.fixture
def platform() -> Iterator[PurchasePlatform]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="buy-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # Postgres runs as another user where we are root.
        ground = stack.enter_context(Ground(folder))
        _, relayed_url = stack.enter_context(ground.database())
        platform = PurchasePlatform(ground, folder / "run", relayed_url, stack.enter_context(ground.topics()))
        stack.enter_context(patch.object(supervisor, "DEATHS_ALLOWED", 1_000))
        with platform:
            yield platform
            for name in (*ARMED, *UNARMED):
                platform.parts.kill(name)


@pytest.mark.timeout(300)
def test_whoever_dies_at_whichever_step_of_a_purchase_credits_come_exactly_once(platform: PurchasePlatform) -> None:
    with httpx.Client(timeout=20, trust_env=False) as http, ThreadPoolExecutor(len(purchase.DEATHS)) as buyers:
        shop = register(platform, http)
        users = _Users(platform)
        asked = dict[tuple[str, int], Future[str]]()
        for step, times in purchase.DEATHS:
            user_id = f"user-{uuid.uuid4().hex[:8]}"
            began = time.monotonic()
            with ExitStack() as traps:
                trap = traps.enter_context(Trap(step, times))
                _lay(trap, platform, STEPS[step].process)
                if STEPS[step].process == "reconciler":  # It records what the API has left undone.
                    first = traps.enter_context(Trap("before the money is recorded", 1))
                    _lay(first, platform, "api")
                if STEPS[step].process == "reactions":
                    users.suspend(user_id)
                asked[step, times] = buyers.submit(Buyer(platform, shop, user_id).buy)
                _await(trap, f"{STEPS[step].process} never came to it: {step}")
            eventually(platform.answers, within_seconds=_ENDS_WITHIN_SECONDS)
            sys.stdout.write(f"{STEPS[step].process:<12}{step}, call {times}: {time.monotonic() - began:.1f} s\n")
        _deliver_again(shop)
        bought = [buying.result() for buying in asked.values()]
        _check(platform, bought, users.suspended)


def _deliver_again(shop: Shop) -> None:
    """What Stripe would send again in a minute, or in half an hour: the API was dead whenever it tried."""
    base = shop.platform.environment["STRIPE_API_BASE"]
    for delivery in shop.http.get(f"{base}/sandbox/deliveries").json()["deliveries"]:
        if delivery["state"] != "delivered":
            shop.stripe(f"events/{delivery['event']}/deliver")


class _Users:
    """The owner of the users, who tells of them in Kafka."""

    def __init__(self, platform: PurchasePlatform) -> None:
        servers = platform.ground.bootstrap_servers
        admin, topic = AdminClient({"bootstrap.servers": servers}), platform.users_topic
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
        self._producer = Producer({"bootstrap.servers": servers})
        self._topic = platform.users_topic
        self.suspended: list[str] = []
        with psycopg.connect(platform.environment["DATABASE_URL"]) as connection:
            row = connection.execute("SELECT project_id FROM store.events").fetchone()
        assert row is not None, "registered before"
        self._project_id = row[0]

    def suspend(self, user_id: str) -> None:
        said = {"id": uuid.uuid4().hex, "type": "user.suspended", "project_id": self._project_id, "user_id": user_id}
        self._producer.produce(self._topic, key=user_id, value=json.dumps(said))
        self._producer.flush(10)
        self.suspended.append(user_id)


def _lay(trap: Trap, platform: PurchasePlatform, process: str) -> None:
    """For whichever of two comes to it first. A process that has just been started may not listen yet."""
    twins = [process, f"{process}-2"] if process in SPARES else [process]
    for twin in twins:
        eventually(lambda twin=twin: trap.lay(platform.ports[twin]), within_seconds=_DIES_WITHIN_SECONDS)  # type: ignore[misc]


def _await(trap: Trap, otherwise: str) -> None:
    deadline = time.monotonic() + _DIES_WITHIN_SECONDS
    while not trap.is_sprung:
        trap.look(0.05)
        assert time.monotonic() < deadline, otherwise


def _check(platform: PurchasePlatform, payment_ids: Sequence[str], suspended: Sequence[str]) -> None:
    """In the store, in Kafka and in the read models."""
    url, once_each = platform.environment["DATABASE_URL"], Counter(payment_ids)
    eventually(lambda: _behind(url), lambda behind: behind == 0, _ENDS_WITHIN_SECONDS)
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT type, payload, event_id::text FROM store.events"
            " WHERE type IN ('credits.purchased', 'payment.succeeded', 'customer.suspended', 'credits.frozen')"
        ).fetchall()
    events = [(type, codec.decode(payload).event) for type, payload, _ in rows]
    for type in ("payment.succeeded", "credits.purchased"):
        assert Counter(getattr(event, "payment_id", None) for found, event in events if found == type) == once_each
    for type in ("customer.suspended", "credits.frozen"):
        assert Counter(getattr(event, "user_id", None) for found, event in events if found == type) == Counter(
            suspended
        )
    with read_topics(platform.ground.bootstrap_servers, platform.environment["KAFKA_TOPIC_PREFIX"]) as read:
        records = read()
    check_log(records, url)
    published = Counter(record["ce_id"] for record in once(records) if record["ce_type"] == "credits.purchased")
    assert published == Counter(id for type, _, id in rows if type == "credits.purchased")
    with psycopg.connect(url) as connection:
        shown = connection.execute("SELECT balance FROM credits_1.wallets").fetchall()
    assert shown == [(1000,)] * len(payment_ids)


def _behind(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM store.outbox) + (SELECT coalesce(max(position), 0) FROM store.positions)"
            " - (SELECT published FROM store.publisher)"
            " + (SELECT count(*) FROM store.events) - (SELECT count(*) FROM audit_1.facts)"
        ).fetchone()
    assert row is not None
    return int(row[0])
