"""Disputes as Stripe tells of them: credits are frozen, taken and restored, and nothing old is believed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from commands.disputes import ask_about_dispute
from commands.open_requests import RequestKind
from domain.payment import DisputeStatus, Payment, PaymentDisputeClosed, PaymentDisputeOpened
from domain.payment.errors import PaymentDisputed
from domain.wallet import Clawback, CreditsFrozen, CreditsUnfrozen
from domain.wallet.errors import WalletFrozen
from gateways.errors import GatewayUnavailable, NoticeUnmatched
from gateways.notices import Delivery, DisputeUpdated
from gateways.stripe.client import StripeGateway
from tests.commands.payments import Desk, context
from tests.commands.refunding import Till
from tests.sandbox.stripe.lookalike import LookAlike


@pytest.fixture
async def till(gateway: StripeGateway, lookalike: LookAlike) -> Till:
    return await Till(Desk(gateway), lookalike).open()


async def status(till: Till, payment: Payment) -> DisputeStatus | None:
    return (await till.now(payment)).dispute_status


async def test_a_dispute_freezes_what_was_bought_in_the_same_commit(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)

    await till.hear(dispute_id, "charge.dispute.created")

    opened, frozen = till.desk.events[-2:]
    assert isinstance(opened, PaymentDisputeOpened)
    assert isinstance(frozen, CreditsFrozen)
    assert (opened.dispute_id, opened.status, opened.amount_minor) == (dispute_id, "needs_response", 10_00)
    assert opened.evidence_due_by is not None
    assert opened.evidence_due_by > datetime.now(UTC)
    with pytest.raises(WalletFrozen):
        await till.spend(1)
    with pytest.raises(PaymentDisputed):
        await till.refund(await till.now(payment))


async def test_a_dispute_that_is_won_gives_everything_free(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)

    await till.answer(dispute_id, "winning_evidence")
    await till.hear(dispute_id)

    assert await status(till, payment) is DisputeStatus.WON
    assert not (await till.now(payment)).disputed
    await till.spend(1000)


async def test_a_dispute_that_is_lost_takes_the_credits_for_good(till: Till) -> None:
    payment = await till.sell()
    await till.spend(300)
    dispute_id = await till.dispute(payment)

    await till.answer(dispute_id, "losing_evidence")
    await till.hear(dispute_id)

    closed = next(event for event in till.desk.events if isinstance(event, PaymentDisputeClosed))
    assert (closed.credits_revoked, closed.credits_shortfall, closed.clawback) == (700, 300, "remaining_only")
    now = await till.now(payment)
    assert (now.disputed, now.dispute_status, now.lost_minor, now.refundable_minor) == (
        True,
        DisputeStatus.LOST,
        10_00,
        0,
    )
    wallet = await till.wallet()
    assert (wallet.balance, wallet.freezes) == (0, {})
    assert isinstance(till.desk.events[-1], CreditsUnfrozen)


async def test_spent_credits_of_a_lost_dispute_are_owed_where_debt_is_allowed(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    till = await Till(Desk(gateway), lookalike).open(Clawback.ALLOW_DEBT)
    payment = await till.sell()
    await till.spend(300)
    dispute_id = await till.dispute(payment)
    await till.answer(dispute_id, "losing_evidence")

    await till.hear(dispute_id)

    assert (await till.wallet()).balance == -300


async def test_a_part_that_is_lost_takes_a_part(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment, amount=2_50)
    await till.answer(dispute_id, "losing_evidence")

    await till.hear(dispute_id)

    assert (await till.wallet()).balance == 750
    assert (await till.now(payment)).refundable_minor == 7_50


async def test_a_dispute_of_what_was_refunded_takes_nothing_more(till: Till) -> None:
    payment = await till.sell()
    await till.refund(payment)
    dispute_id = await till.dispute(payment)
    await till.answer(dispute_id, "losing_evidence")

    await till.hear(dispute_id)

    closed = next(event for event in till.desk.events if isinstance(event, PaymentDisputeClosed))
    assert (closed.credits_revoked, closed.credits_shortfall) == (0, 0)
    assert (await till.wallet()).balance == 0


async def test_an_inquiry_freezes_and_its_end_frees(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment, inquiry=True)
    await till.hear(dispute_id)
    assert await status(till, payment) is DisputeStatus.WARNING_NEEDS_RESPONSE
    assert (await till.wallet()).freezes

    await till.answer(dispute_id, "winning_evidence")
    await till.hear(dispute_id)

    assert await status(till, payment) is DisputeStatus.WARNING_CLOSED
    assert not (await till.wallet()).freezes


async def test_an_inquiry_that_becomes_a_dispute_stays_frozen(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment, inquiry=True)
    await till.hear(dispute_id)

    await till.answer(dispute_id, "escalate_inquiry_evidence")
    await till.hear(dispute_id)

    assert await status(till, payment) is DisputeStatus.NEEDS_RESPONSE
    assert list((await till.wallet()).freezes) == [dispute_id]


async def test_several_disputes_freeze_until_the_last_has_ended(till: Till) -> None:
    payment = await till.sell()
    first, second = [await till.dispute(payment, amount=amount) for amount in (4_00, 6_00)]
    for dispute_id in (first, second):
        await till.hear(dispute_id)

    await till.answer(first, "losing_evidence")
    await till.hear(first)
    assert (await till.wallet()).freezes
    assert await status(till, payment) is DisputeStatus.NEEDS_RESPONSE
    await till.answer(second, "winning_evidence")
    await till.hear(second)

    wallet = await till.wallet()
    assert (wallet.balance, wallet.freezes) == (600, {})
    assert await status(till, payment) is DisputeStatus.LOST


# What is old, early, or not ours.


async def created(till: Till, dispute_id: str) -> Delivery:
    (delivery,) = [
        delivery for delivery in await till.deliveries(dispute_id) if delivery.event_type == "charge.dispute.created"
    ]
    return delivery


async def test_an_old_word_makes_us_ask_and_changes_nothing(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)
    await till.answer(dispute_id, "losing_evidence")
    await till.hear(dispute_id, "charge.dispute.closed")
    before = len(till.desk.events)

    await till.hear(dispute_id, "charge.dispute.created", "charge.dispute.updated")

    assert len(till.desk.events) == before
    assert await status(till, payment) is DisputeStatus.LOST


async def test_while_the_gateway_cannot_be_asked_an_old_word_waits(till: Till, lookalike: LookAlike) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)
    await till.answer(dispute_id, "losing_evidence")
    await till.hear(dispute_id, "charge.dispute.closed")
    old = await created(till, dispute_id)
    await lookalike.control("faults", kind="reset_before", path="/v1/disputes/*", times=9)

    with pytest.raises(GatewayUnavailable):
        await till.apply(old)


async def test_a_loss_that_the_gateway_takes_back_is_restored(till: Till) -> None:
    """Not Stripe's usual way, but banks correct themselves: what the gateway answers when it is asked counts."""
    payment = await till.sell()
    dispute_id = await till.dispute(payment)
    await till.hear(dispute_id)
    now = await till.desk.gateway.read_dispute(dispute_id)
    await till.apply(replace(await created(till, dispute_id), notice=replace(now, status=DisputeStatus.LOST)))
    assert (await till.wallet()).balance == 0

    await till.answer(dispute_id, "winning_evidence")
    await till.hear(dispute_id, "charge.dispute.closed")

    assert await status(till, payment) is DisputeStatus.WON
    assert (await till.wallet()).balance == 1000
    restored = [event for event in till.desk.events if isinstance(event, PaymentDisputeClosed)][-1]
    assert restored.credits_restored == 1000


async def test_a_dispute_before_its_payment_is_known_to_be_paid_waits(till: Till) -> None:
    payment = await till.sell(heard=False)
    dispute_id = await till.dispute(await till.as_paid(payment))
    with pytest.raises(NoticeUnmatched):
        await till.hear(dispute_id)

    await till.hear_of_payment(str(payment.checkout_id))
    await till.hear(dispute_id)

    assert await status(till, payment) is DisputeStatus.NEEDS_RESPONSE


async def test_a_dispute_of_an_unknown_charge_is_not_ours(till: Till, lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    dispute = await lookalike.control(f"charges/{charge.id}/dispute")

    with pytest.raises(NoticeUnmatched):
        await till.hear(dispute["id"])


async def test_a_dispute_that_stripe_does_not_know_any_more_waits(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)
    await till.hear(dispute_id)

    with pytest.raises(NoticeUnmatched):
        await ask_about_dispute(await till.now(payment), "du_none", context(), till.desk.store, till.desk.gateway)


async def test_an_open_dispute_is_asked_after_from_then_on(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)

    await till.hear(dispute_id)

    kept = await till.desk.open_requests.get(RequestKind.DISPUTE, dispute_id)
    assert kept is not None
    assert (kept.stream_id, kept.request) == (payment.payment_id, None)


async def test_a_dispute_of_what_bought_no_credits_flags_the_payment(till: Till) -> None:
    payment = await till.sell(product_id="ebook")
    dispute_id = await till.dispute(payment)

    await till.hear(dispute_id)

    assert (await till.now(payment)).disputed


# Words that are taken at the same moment.


class Overtaken:
    """A gateway whose first answer is old by the time its asker has it: the dispute was lost, and we heard of it."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self.asked = 0

    async def read_dispute(self, dispute_id: str) -> DisputeUpdated:
        self.asked += 1
        now = await self._till.desk.gateway.read_dispute(dispute_id)
        if self.asked == 1:
            await self._till.answer(dispute_id, "losing_evidence")
            await self._till.hear(dispute_id, "charge.dispute.closed")
        return now


async def test_what_was_recorded_while_the_gateway_was_asked_makes_us_ask_again(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)
    await till.hear(dispute_id)
    old = await created(till, dispute_id)
    assert isinstance(old.notice, DisputeUpdated)
    await till.apply(replace(old, notice=replace(old.notice, status=DisputeStatus.UNDER_REVIEW)))
    gateway = Overtaken(till)

    await ask_about_dispute(await till.now(payment), dispute_id, context(), till.desk.store, gateway)  # type: ignore[arg-type]

    assert (gateway.asked, await status(till, payment)) == (2, DisputeStatus.LOST)


async def test_all_words_at_once_end_as_the_gateway_has_it(till: Till) -> None:
    payment = await till.sell()
    dispute_id = await till.dispute(payment)
    await till.answer(dispute_id, "losing_evidence")
    deliveries = await till.deliveries(dispute_id)

    await asyncio.gather(*(till.apply(delivery) for delivery in deliveries for _ in range(3)))

    assert await status(till, payment) is DisputeStatus.LOST
    wallet = await till.wallet()
    assert (wallet.balance, wallet.freezes) == (0, {})
    assert sum(isinstance(event, PaymentDisputeClosed) for event in till.desk.events) == 1
