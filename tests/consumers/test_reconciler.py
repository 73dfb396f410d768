"""Whatever went wrong between us and the gateway, the reconciler ends it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from commands.credits import Account, GrantCredits, grant_credits
from commands.missed import PostgresMarks
from commands.notices import PostgresNotices
from commands.open_requests import PostgresOpenRequests, RequestKind
from commands.payments import payment_id_of
from commands.ports import Context
from commands.refunds import refund_id_of
from commands.store.postgres import PostgresStore
from consumers.reconciler import RECONCILED, Aside, Reconciler
from domain.payment import Payment, RefundStatus, Status
from gateways.stripe.client import StripeGateway
from runtime import postgres
from tests.commands.payments import Desk, context, order
from tests.commands.refunding import PENDING_FIRST, Till
from tests.sandbox.stripe.lookalike import LookAlike
from vault.memory import MemoryVault

SESSIONS = "/v1/checkout/sessions"
REFUNDS = "/v1/refunds"
LATER = timedelta(minutes=2)


@dataclass(frozen=True)
class Office:
    desk: Desk
    reconciler: Reconciler

    async def reconcile(self, after: timedelta = LATER) -> dict[str, int]:
        return dict(await self.reconciler.reconcile(datetime.now(UTC) + after))

    async def status(self, asked: Context) -> Status:
        return (await self.desk.payment(asked)).status


@pytest.fixture
async def office(database_url: str, gateway: StripeGateway) -> AsyncIterator[Office]:
    async with postgres.pool(database_url, name="test", size=4) as pool:
        store, vault, open_requests = PostgresStore(pool), MemoryVault(), PostgresOpenRequests(pool)
        desk = Desk(gateway, store, vault, open_requests)
        reconciler = Reconciler(store, gateway, vault, PostgresNotices(pool), open_requests, PostgresMarks(pool))
        yield Office(desk, reconciler)
        await store.close()


async def test_what_time_alone_ends_is_recorded(office: Office) -> None:
    store, now = office.desk.store, datetime.now(UTC)
    account = Account(project_id="prj_shop", user_id="user-1", credit_type="api")
    gift = GrantCredits(account=account, amount=5, reason="a gift", priority=1, expires_at=now + timedelta(seconds=30))
    await grant_credits(gift, replace(context(), now=now), store)

    assert await office.reconcile(timedelta(seconds=20)) == {}
    assert await office.reconcile(timedelta(seconds=31)) == {"credits_expired": 1}
    assert await office.reconcile(timedelta(seconds=40)) == {}

    wallet = await store.load(account.stream)
    assert wallet is not None
    assert wallet.balance == 0


async def lost(office: Office, lookalike: LookAlike, fault: str) -> Context:
    """A payment that was started while the gateway's answer did not come."""
    asked = context()
    await lookalike.control("faults", kind=fault, path=SESSIONS, times=9)
    receipt = await office.desk.start(asked)
    assert receipt.answer["status"] == "unconfirmed"
    await lookalike.http.delete("/sandbox/faults")
    return asked


async def test_an_unconfirmed_payment_is_resolved_with_the_same_key(office: Office, lookalike: LookAlike) -> None:
    before = await lookalike.sessions_opened()
    asked = await lost(office, lookalike, "reset_after")

    assert await office.reconcile() == {"checkout_opened": 1}

    assert await office.status(asked) is Status.CHECKOUT_OPENED
    assert await lookalike.sessions_opened() == before + 1


async def test_the_caller_s_retry_then_gets_what_the_reconciler_found(office: Office, lookalike: LookAlike) -> None:
    asked = await lost(office, lookalike, "reset_after")
    await office.reconcile()

    receipt = await office.desk.start(asked)

    assert receipt.answer["status"] == "checkout_opened"
    assert receipt.answer["checkout_url"]


async def test_nothing_is_asked_before_its_time(office: Office, lookalike: LookAlike) -> None:
    await lost(office, lookalike, "reset_before")

    assert await office.reconcile(timedelta()) == {}


async def test_while_the_gateway_is_away_the_pauses_grow(office: Office, lookalike: LookAlike) -> None:
    asked = await lost(office, lookalike, "reset_before")
    await lookalike.control("faults", kind="reset_before", path=SESSIONS, times=99)

    assert await office.reconcile() == {"checkout_still_unconfirmed": 1}
    assert await office.reconcile() == {}
    assert await office.reconcile(timedelta(minutes=10)) == {"checkout_still_unconfirmed": 1}
    kept = await office.reconciler.open_requests.get(RequestKind.CHECKOUT, payment_id_of(asked.command_id))
    assert kept is not None
    assert kept.attempts == 2


async def test_after_the_key_s_life_a_page_is_found_by_the_payment_s_id(office: Office, lookalike: LookAlike) -> None:
    before = await lookalike.sessions_opened()
    asked = await lost(office, lookalike, "reset_after")

    assert await office.reconcile(timedelta(hours=23, minutes=30)) == {"checkout_found": 1}

    assert await office.status(asked) is Status.CHECKOUT_OPENED
    assert await lookalike.sessions_opened() == before + 1


async def test_after_the_key_s_life_what_never_was_expires(office: Office, lookalike: LookAlike) -> None:
    asked = await lost(office, lookalike, "reset_before")

    assert await office.reconcile(timedelta(hours=23, minutes=30)) == {"checkout_ended": 1}

    assert await office.status(asked) is Status.EXPIRED
    assert await office.reconcile(timedelta(days=9)) == {}


async def test_a_gateway_that_fails_for_good_under_one_key_is_searched_too(
    office: Office, lookalike: LookAlike
) -> None:
    asked = await lost(office, lookalike, "server_error_after")

    await office.reconcile(timedelta(hours=23, minutes=30))

    assert await office.status(asked) is Status.CHECKOUT_OPENED, "the page was opened behind the 500"


async def test_an_abandoned_checkout_whose_webhook_was_lost_expires(office: Office, lookalike: LookAlike) -> None:
    asked = context()
    opened = await office.desk.start(asked)
    await lookalike.control(f"checkout/{opened.answer['checkout_session_id']}/expire")

    assert await office.reconcile(timedelta(hours=24)) == {"checkout_ended": 1}
    assert await office.status(asked) is Status.EXPIRED


async def test_a_payment_whose_webhook_was_lost_succeeds(office: Office, lookalike: LookAlike) -> None:
    asked = context()
    opened = await office.desk.start(asked)
    await lookalike.control(f"checkout/{opened.answer['checkout_session_id']}/pay", card_number="4242424242424242")

    assert await office.reconcile(timedelta(hours=24)) == {"checkout_ended": 1}
    assert await office.status(asked) is Status.SUCCEEDED
    assert await office.reconcile(timedelta(days=9)) == {}


async def test_a_debit_that_takes_days_is_asked_about_until_it_ends(office: Office, lookalike: LookAlike) -> None:
    asked = context()
    opened = await office.desk.start(asked, order(product_id="ebook"))
    session_id = opened.answer["checkout_session_id"]
    await lookalike.control(f"checkout/{session_id}/pay", iban="AT611904300234573201")

    assert await office.reconcile(timedelta(hours=24)) == {"checkout_still_open": 1}
    assert await office.status(asked) is Status.PROCESSING
    await lookalike.control(f"checkout/{session_id}/settle", outcome="fail")
    assert await office.reconcile(timedelta(hours=48)) == {"checkout_ended": 1}
    assert await office.status(asked) is Status.FAILED


async def test_what_was_kept_and_never_recorded_is_forgotten_after_an_hour(
    office: Office, lookalike: LookAlike
) -> None:
    asked = await lost(office, lookalike, "reset_before")
    kept = await office.reconciler.open_requests.get(RequestKind.CHECKOUT, payment_id_of(asked.command_id))
    assert kept is not None
    ghost = replace(kept, id="pay_never_recorded", stream_id="pay_never_recorded")
    await office.reconciler.open_requests.add(ghost, due_at=kept.created_at)
    await office.reconciler.open_requests.close(kept.kind, kept.id, kept.created_at)

    assert await office.reconcile(timedelta()) == {"checkout_not_recorded": 1}
    assert await office.reconcile(timedelta(hours=2)) == {"checkout_ended": 1}


async def test_while_another_process_opens_it_the_reconciler_waits(office: Office, lookalike: LookAlike) -> None:
    asked = await lost(office, lookalike, "reset_before")
    assert await office.desk.store.take_lease(asked.command_id, 30)

    assert await office.reconcile() == {"checkout_command_in_progress": 1}


async def test_one_payment_that_cannot_be_resolved_does_not_hold_up_the_others(
    office: Office, lookalike: LookAlike
) -> None:
    broken = await lost(office, lookalike, "reset_before")
    await office.desk.vault.shred((await office.desk.payment(broken)).customer_id)
    asked = context()
    await lookalike.control("faults", kind="reset_before", path=SESSIONS, times=9)
    await office.desk.start(asked, order(user_id="user-2"))
    await lookalike.http.delete("/sandbox/faults")

    assert await office.reconcile() == {"checkout_failed": 1, "checkout_opened": 1}


async def test_work_beside_the_passes_begins_again_after_its_time_and_ends_the_process_where_it_fails() -> None:
    begun = 0

    async def work(_now: datetime) -> dict[str, int]:
        nonlocal begun
        begun += 1
        if begun == 2:
            raise ConnectionError
        return {"missed_of_this_test": 3}

    def reported() -> float:
        return float(RECONCILED.labels("missed_of_this_test")._value.get())

    seldom, often = Aside(work, every_seconds=60), Aside(work, every_seconds=0)
    for _ in range(3):
        seldom.begin()
        await asyncio.sleep(0)
    assert (begun, reported()) == (1, 3)
    often.begin()
    await asyncio.sleep(0)
    with pytest.raises(ConnectionError):
        often.begin()


async def test_work_beside_the_passes_ends_with_them() -> None:
    given_up = False

    async def work(_now: datetime) -> dict[str, int]:
        nonlocal given_up
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            given_up = True
            raise
        return {}

    aside = Aside(work, every_seconds=0)
    await aside.end()
    aside.begin()
    await asyncio.sleep(0)
    await aside.end()

    assert given_up


# Refunds.


@pytest.fixture
async def till(office: Office, lookalike: LookAlike) -> Till:
    return await Till(office.desk, lookalike).open()


async def lost_refund(till: Till, lookalike: LookAlike, fault: str) -> tuple[Payment, Context]:
    """A refund of 4.00 that was asked for while the gateway's answer did not come."""
    payment, asked = await till.sell(), context()
    await lookalike.control("faults", kind=fault, path=REFUNDS, method="POST", times=9)
    receipt = await till.refund(payment, asked, amount_minor=4_00)
    assert receipt.answer["status"] == "requested"
    await lookalike.http.delete("/sandbox/faults")
    return payment, asked


async def refunds_there(till: Till, payment: Payment) -> int:
    return len(await till.desk.gateway.list_refunds(str(payment.gateway_payment_id)))


async def test_an_unconfirmed_refund_is_made_once_with_the_same_key(
    office: Office, till: Till, lookalike: LookAlike
) -> None:
    payment, asked = await lost_refund(till, lookalike, "reset_after")

    assert await office.reconcile() == {"refund_ended": 1}

    assert (await till.now(payment)).refunded_minor == 4_00
    assert await refunds_there(till, payment) == 1
    answer = (await till.refund(payment, asked, amount_minor=4_00)).answer
    assert (answer["status"], answer["credits_revoked"]) == ("succeeded", 400)
    assert await office.reconcile(timedelta(days=9)) == {"checkout_ended": 1}


async def test_after_the_key_s_life_a_refund_is_found_by_our_id(
    office: Office, till: Till, lookalike: LookAlike
) -> None:
    payment, _ = await lost_refund(till, lookalike, "reset_after")

    assert (await office.reconcile(timedelta(hours=23, minutes=30)))["refund_found"] == 1

    assert (await till.now(payment)).refunded_minor == 4_00
    assert await refunds_there(till, payment) == 1


async def test_after_the_key_s_life_a_refund_that_never_was_frees_its_money(
    office: Office, till: Till, lookalike: LookAlike
) -> None:
    payment, asked = await lost_refund(till, lookalike, "reset_before")

    assert (await office.reconcile(timedelta(hours=23, minutes=30)))["refund_ended"] == 1

    now = await till.now(payment)
    assert (now.refundable_minor, now.refunds[refund_id_of(asked.command_id)].failure_code) == (10_00, "not_made")
    answer = (await till.refund(payment, asked, amount_minor=4_00)).answer
    assert (answer["status"], answer["failure_code"]) == ("failed", "not_made")
    assert await refunds_there(till, payment) == 0


async def test_a_refund_that_the_gateway_refuses_later_ends(office: Office, till: Till, lookalike: LookAlike) -> None:
    payment, asked = await lost_refund(till, lookalike, "reset_before")
    await till.refund_in_dashboard(payment, 10_00)

    assert (await office.reconcile())["refund_ended"] == 1

    now = await till.now(payment)
    assert (now.refunded_minor, now.reserved_minor) == (10_00, 0)
    assert now.refunds[refund_id_of(asked.command_id)].status is RefundStatus.FAILED


async def test_a_key_that_stands_with_another_request_makes_us_look(
    office: Office, till: Till, lookalike: LookAlike
) -> None:
    """Whoever took our key, the refund is asked for under it no more, and looked for once the key is forgotten."""
    payment, asked = await till.sell(), context()
    await lookalike.client.v1.refunds.create_async(
        {"payment_intent": str(payment.gateway_payment_id), "amount": 1_00},
        {"idempotency_key": f"tillstream-{asked.command_id}-1"},
    )
    assert (await till.refund(payment, asked, amount_minor=4_00)).answer["status"] == "requested"

    assert await office.reconcile() == {"refund_still_unconfirmed": 1}
    assert (await office.reconcile(timedelta(hours=23, minutes=30)))["refund_ended"] == 1

    now = await till.now(payment)
    assert (now.reserved_minor, now.refunds[refund_id_of(asked.command_id)].failure_code) == (0, "not_made")


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    ("outcome", "refunded_minor", "balance"), [("succeed", 4_00, 600), ("fail", 0, 1000), ("cancel", 0, 1000)]
)
async def test_a_pending_refund_whose_webhooks_were_lost_is_asked_after_until_it_ends(
    office: Office, till: Till, outcome: str, refunded_minor: int, balance: int, ours: bool
) -> None:
    payment = await till.sell(PENDING_FIRST)
    if ours:
        made = str((await till.refund(payment, amount_minor=4_00)).answer["gateway_refund_id"])
    else:
        made = await till.refund_in_dashboard(payment, 4_00)
        await till.hear(made, "refund.created")
    assert (await office.reconcile(timedelta(hours=2)))["refund_still_open"] == 1
    await till.settle(made, outcome)

    assert (await office.reconcile(timedelta(hours=9)))["refund_ended"] == 1

    assert (await till.now(payment)).refunded_minor == refunded_minor
    assert (await till.wallet()).balance == balance
    assert await office.reconcile(timedelta(days=9)) == {"checkout_ended": 1}, "and nothing of refunds"


# Disputes.


@pytest.mark.parametrize(
    ("evidence", "status", "balance"), [("winning_evidence", "won", 1000), ("losing_evidence", "lost", 0)]
)
async def test_a_dispute_whose_webhooks_were_lost_is_asked_after_until_it_ends(
    office: Office, till: Till, evidence: str, status: str, balance: int
) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)
    await till.hear(dispute_id, "charge.dispute.created")
    assert (await office.reconcile(timedelta(days=2)))["dispute_still_open"] == 1
    await till.answer(dispute_id, evidence)

    assert await office.reconcile(timedelta(days=3)) == {"dispute_ended": 1}

    assert (await till.now(payment)).dispute_status == status
    wallet = await till.wallet()
    assert (wallet.balance, wallet.freezes) == (balance, {})
    assert await office.reconcile(timedelta(days=99)) == {}


async def test_a_dispute_that_was_closed_by_a_webhook_is_asked_after_no_more(office: Office, till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)
    await till.answer(dispute_id, "losing_evidence")
    await till.hear(dispute_id)

    assert (await office.reconcile(timedelta(days=2)))["dispute_ended"] == 1
    assert await office.reconcile(timedelta(days=99)) == {}


async def test_an_early_dispute_is_swept_once_its_payment_is_known_to_be_paid(
    office: Office, till: Till, lookalike: LookAlike
) -> None:
    """A dispute of an unknown charge waits as a notice, and ends as unmatched where nothing ever comes of it."""
    payment = await till.sell(heard=False)
    dispute_id = await till.dispute(await till.as_paid(payment))
    foreign = await lookalike.control(f"charges/{(await lookalike.charge()).id}/dispute")
    for about in (dispute_id, str(foreign["id"])):
        await till.keep(office.reconciler.notices, about, "charge.dispute.created")
    assert await office.reconcile() == {"notice_postponed": 2}
    await till.hear_of_payment(str(payment.checkout_id))

    assert (await office.reconcile(timedelta(hours=2)))["notice_applied"] == 1

    assert (await till.now(payment)).disputed
    assert (await office.reconcile(timedelta(days=4)))["notice_unmatched"] == 1
