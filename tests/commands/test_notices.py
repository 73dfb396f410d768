"""Webhooks from the moment they are kept to the moment they are done with, in a real table."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.notices import Kept, PostgresNotices, apply, backoff, command_id_of, context_of, keep, sweep
from commands.payments import payment_id_of
from commands.store.postgres import PostgresStore
from domain.payment import PAYMENTS, Status
from gateways.errors import NoticeUnmatched
from gateways.notices import Delivery, Irrelevant
from gateways.stripe.client import StripeGateway
from runtime import postgres
from runtime.postgres import Pool
from tests.commands.payments import Desk, context
from tests.commands.test_settlement import sale
from vault.memory import MemoryVault

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Counter:
    """Where webhooks are kept and applied."""

    desk: Desk
    pool: Pool
    notices: PostgresNotices
    store: PostgresStore

    async def keep(self, delivery: Delivery, now: datetime = NOW) -> Kept:
        return await keep(delivery, "stripe", now, self.store, self.desk.vault, self.notices)

    async def apply(self, delivery: Delivery, kept: Kept) -> str:
        command = context_of(kept, "req_1", NOW)
        desk = self.desk
        return await apply(delivery, kept, command, self.store, desk.gateway, desk.open_requests, self.notices)

    async def sweep(self, now: datetime) -> dict[str, int]:
        desk = self.desk
        return dict(await sweep(desk.gateway, now, self.store, desk.vault, desk.open_requests, self.notices))

    async def rows(self) -> list[tuple[Any, ...]]:
        async with self.pool.connection() as connection:
            found = await connection.execute(
                "SELECT event_id, outcome, owner, sealed FROM gateway.notices ORDER BY event_id"
            )
            return await found.fetchall()


@pytest.fixture
async def counter(database_url: str, gateway: StripeGateway) -> AsyncIterator[Counter]:
    async with postgres.pool(database_url, name="test", size=4) as pool:
        store = PostgresStore(pool)
        desk = Desk(gateway, store=store, vault=MemoryVault())
        yield Counter(desk, pool, PostgresNotices(pool), store)
        await store.close()


def expired(gateway: StripeGateway, payment_id: str | None, event_type: str = "checkout.session.expired") -> Delivery:
    """As Stripe writes it, with what names a person in it."""
    session = {
        "id": f"cs_test_{uuid.uuid4().hex}",
        "object": "checkout.session",
        "status": "expired",
        "payment_status": "unpaid",
        "client_reference_id": payment_id,
        "customer_email": "ada@example.com",
    }
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(NOW.timestamp()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
        "data": {"object": session},
    }
    return gateway.reread(json.dumps(event).encode())


async def status(counter: Counter, payment_id: str) -> Status:
    payment = await counter.store.load(PAYMENTS.at(payment_id))
    assert payment is not None
    return payment.status


async def test_a_kept_notice_holds_its_body_sealed_with_its_customer_s_key(counter: Counter) -> None:
    bought = await sale(counter.store)
    delivery = expired(counter.desk.gateway, bought.payment_id)

    kept = await counter.keep(delivery)

    ((_, outcome, owner, sealed),) = await counter.rows()
    payment = await counter.store.load(PAYMENTS.at(bought.payment_id))
    assert payment is not None
    assert (outcome, owner) == (None, payment.customer_id)
    assert b"ada@example.com" not in sealed
    assert "ada@example.com" in (await counter.desk.vault.open_bytes(kept.body))["body"]


async def test_a_notice_is_applied_once_however_often_it_comes(counter: Counter) -> None:
    bought = await sale(counter.store)
    delivery = expired(counter.desk.gateway, bought.payment_id)

    for _ in range(3):
        kept = await counter.keep(delivery)
        assert await counter.apply(delivery, kept) == "applied"

    assert await status(counter, bought.payment_id) is Status.EXPIRED
    assert [row[1] for row in await counter.rows()] == ["applied"]
    assert await counter.sweep(NOW + timedelta(hours=1)) == {}


async def test_what_was_kept_and_not_applied_is_swept(counter: Counter) -> None:
    bought = await sale(counter.store)
    await counter.keep(expired(counter.desk.gateway, bought.payment_id))

    assert await counter.sweep(NOW) == {}, "whoever kept it gets a moment to apply it"
    assert await counter.sweep(NOW + timedelta(seconds=10)) == {"applied": 1}
    assert await status(counter, bought.payment_id) is Status.EXPIRED


async def test_a_notice_before_its_payment_waits_for_it(counter: Counter) -> None:
    asked = context()
    payment_id = payment_id_of(asked.command_id)
    delivery = expired(counter.desk.gateway, payment_id)
    kept = await counter.keep(delivery)
    with pytest.raises(NoticeUnmatched):
        await counter.apply(delivery, kept)
    assert await counter.sweep(NOW + timedelta(seconds=10)) == {"postponed": 1}

    await counter.desk.start(asked)
    assert await counter.sweep(NOW + timedelta(minutes=1)) == {"applied": 1}
    payment = await counter.store.load(PAYMENTS.at(payment_id))
    assert payment is not None
    assert payment.status is Status.CHECKOUT_OPENED, "another page's end, for this one's has another id"


async def test_what_names_nothing_of_ours_is_given_up_after_three_days(counter: Counter) -> None:
    await counter.keep(expired(counter.desk.gateway, "pay_of_another_service"))

    assert await counter.sweep(NOW + timedelta(days=2)) == {"postponed": 1}
    assert await counter.sweep(NOW + timedelta(days=4)) == {"unmatched": 1}
    assert await counter.sweep(NOW + timedelta(days=9)) == {}


async def test_event_types_that_mean_nothing_to_us_are_kept_and_done_with(counter: Counter) -> None:
    delivery = expired(counter.desk.gateway, None, "invoice.upcoming")
    kept = await counter.keep(delivery)

    assert await counter.apply(delivery, kept) == "irrelevant"
    assert [row[1] for row in await counter.rows()] == ["irrelevant"]


async def test_a_body_that_cannot_be_opened_any_more_is_done_with(counter: Counter) -> None:
    bought = await sale(counter.store)
    kept = await counter.keep(expired(counter.desk.gateway, bought.payment_id))
    await counter.desk.vault.shred(kept.body.owner)

    assert await counter.sweep(NOW + timedelta(minutes=1)) == {"shredded": 1}


async def test_what_comes_of_an_erased_customer_is_kept_like_a_stranger_s(counter: Counter) -> None:
    bought = await sale(counter.store)
    payment = await counter.store.load(PAYMENTS.at(bought.payment_id))
    assert payment is not None
    await counter.desk.vault.seal(payment.customer_id, "contact", "x", {})
    await counter.desk.vault.shred(payment.customer_id)

    await counter.keep(expired(counter.desk.gateway, bought.payment_id))

    assert [row[2] for row in await counter.rows()] == ["gateway_stripe"]


async def test_one_broken_notice_does_not_hold_up_the_others(counter: Counter) -> None:
    bought = await sale(counter.store)
    broken = await counter.keep(expired(counter.desk.gateway, None))
    await counter.keep(expired(counter.desk.gateway, bought.payment_id))
    async with counter.pool.connection() as connection:
        await connection.execute("UPDATE gateway.notices SET sealed = 'rotten' WHERE event_id = %s", (broken.event_id,))

    assert await counter.sweep(NOW + timedelta(minutes=1)) == {"postponed": 1, "applied": 1}


async def test_bodies_of_unknown_customers_are_emptied_after_thirty_days(counter: Counter) -> None:
    strange = expired(counter.desk.gateway, None, "invoice.upcoming")
    await counter.apply(strange, await counter.keep(strange))
    bought = await sale(counter.store)
    known = expired(counter.desk.gateway, bought.payment_id)
    await counter.apply(known, await counter.keep(known))

    assert await counter.notices.purge(NOW + timedelta(seconds=1)) == 1
    assert sorted(bool(row[3]) for row in await counter.rows()) == [False, True]
    assert await counter.notices.purge(NOW + timedelta(seconds=1)) == 0


def test_a_delivery_has_one_command_per_account_and_mode() -> None:
    def delivery(account: str, livemode: bool) -> Delivery:
        return Delivery(
            account=account,
            livemode=livemode,
            event_id="evt_1",
            event_type="x",
            api_version="",
            created_at=NOW,
            payment_id=None,
            gateway_payment_id=None,
            body=b"",
            notice=Irrelevant(),
        )

    ids = {command_id_of("stripe", delivery(account, live)) for account in ("", "acct_1") for live in (True, False)}
    assert len(ids) == 4


def test_pauses_double_up_to_an_hour() -> None:
    assert [backoff(n).total_seconds() for n in (0, 1, 5, 50)] == [1, 2, 32, 3600]
