"""Money given back: asked for, told of, lost on the way, and never given twice. The real SDK speaks to the look-alike."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from commands.open_requests import RequestKind
from commands.ports import CommandInProgress, Context, Decide, IdempotencyKeyReused, Receipt
from commands.refunds import refund_id_of
from commands.store.memory import MemoryStore
from domain.errors import DomainError
from domain.payment import (
    Payment,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundPending,
    PaymentRefundRequested,
    RefundStatus,
)
from domain.payment.errors import NothingToRefund, PaymentNotPaid, PaymentUnknown, RefundExceedsPayment
from domain.streams import Stream
from domain.wallet import Clawback, CreditsRestored, CreditsRevoked
from gateways.errors import NoticeUnmatched
from gateways.notices import ChargeRefunded, RefundUpdated
from gateways.stripe.client import StripeGateway
from tests.commands.payments import Desk, context
from tests.commands.refunding import FAILS_LATER, PENDING_FIRST, Till
from tests.sandbox.stripe.lookalike import LookAlike

REFUNDS = "/v1/refunds"


@pytest.fixture
async def till(gateway: StripeGateway, lookalike: LookAlike) -> Till:
    return await Till(Desk(gateway), lookalike).open()


async def refunds_there(till: Till, payment: Payment) -> list[RefundUpdated]:
    return list(await till.desk.gateway.list_refunds(str(payment.gateway_payment_id)))


# Asked for.


async def test_all_that_is_left_goes_back_and_takes_the_credits_along(till: Till) -> None:
    payment = await till.sell()
    asked = context()

    receipt = await till.refund(payment, asked, reason="requested_by_customer", metadata={"ticket": "7"})

    (made,) = await refunds_there(till, payment)
    assert receipt.answer == {
        "payment_id": payment.payment_id,
        "refund_id": refund_id_of(asked.command_id),
        "gateway_refund_id": made.gateway_refund_id,
        "status": "succeeded",
        "amount": 10_00,
        "currency": "usd",
        "reason": "requested_by_customer",
        "failure_code": None,
        "credits_revoked": 1000,
        "credits_shortfall": 0,
        "clawback": "remaining_only",
        "amount_refunded": 10_00,
        "amount_refundable": 0,
    }
    assert (made.refund_id, made.payment_id, made.reason) == (
        refund_id_of(asked.command_id),
        payment.payment_id,
        "requested_by_customer",
    )
    assert (await till.wallet()).balance == 0
    requested = next(event for event in till.desk.events if isinstance(event, PaymentRefundRequested))
    assert requested.metadata == {"ticket": "7"}


async def test_what_went_back_and_what_it_takes_are_one_commit(till: Till) -> None:
    payment = await till.sell()

    await till.refund(payment, amount_minor=2_50)

    assert isinstance(till.desk.store, MemoryStore)
    refunded, revoked = till.desk.events[-2:]
    assert isinstance(refunded, PaymentRefunded)
    assert isinstance(revoked, CreditsRevoked)
    assert (refunded.credits_revoked, revoked.amount, revoked.reason) == (250, 250, "refunded")


async def test_a_retry_gets_the_first_answer_and_gives_nothing_twice(till: Till) -> None:
    payment, asked = await till.sell(), context()
    first = await till.refund(payment, asked, amount_minor=4_00)

    second = await till.refund(payment, asked, amount_minor=4_00)

    assert (second.answer, second.replayed) == (first.answer, True)
    assert len(await refunds_there(till, payment)) == 1
    with pytest.raises(IdempotencyKeyReused):
        await till.refund(payment, replace(asked, fingerprint=b"another body"), amount_minor=5_00)


async def test_several_in_part_take_exactly_the_whole(till: Till) -> None:
    payment = await till.sell()

    answers = [(await till.refund(payment, amount_minor=amount)).answer for amount in (3_33, 3_33, None)]

    assert [answer["credits_revoked"] for answer in answers] == [333, 333, 334]
    assert answers[-1]["amount"] == 3_34
    assert (await till.wallet()).balance == 0


async def test_a_reason_of_the_project_s_own_is_not_stripe_s(till: Till) -> None:
    payment = await till.sell()

    receipt = await till.refund(payment, reason="arrived broken")

    (made,) = await refunds_there(till, payment)
    assert (receipt.answer["reason"], made.reason) == ("arrived broken", None)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"amount_minor": 10_01}, RefundExceedsPayment),
        ({"project_id": "prj_other"}, PaymentUnknown),
    ],
)
async def test_what_is_not_there_is_refused(till: Till, changes: dict[str, Any], refusal: type[DomainError]) -> None:
    payment = await till.sell()

    with pytest.raises(refusal):
        await till.refund(payment, **changes)
    assert await refunds_there(till, payment) == []


async def test_a_refusal_stands_though_the_money_is_there_later(till: Till) -> None:
    payment, asked = await till.sell(PENDING_FIRST), context()
    under_way = await till.refund(payment)
    with pytest.raises(RefundExceedsPayment):
        await till.refund(payment, asked, amount_minor=1)
    await till.settle(under_way.answer["gateway_refund_id"], "cancel")
    await till.hear(under_way.answer["gateway_refund_id"])

    with pytest.raises(DomainError) as again:
        await till.refund(payment, asked, amount_minor=1)
    assert again.value.code == "refund_exceeds_payment"


async def test_what_nobody_paid_cannot_be_refunded(till: Till) -> None:
    payment = await till.sell(heard=False)

    with pytest.raises(PaymentNotPaid):
        await till.refund(payment)


async def test_what_was_free_cannot_be_refunded(till: Till, lookalike: LookAlike) -> None:
    payment = await till.sell("", product_id=None, price_id="price_free")

    with pytest.raises(NothingToRefund):
        await till.refund(payment)


# Credits that were spent.


async def test_spent_credits_stay_spent_where_only_the_rest_is_taken(till: Till) -> None:
    payment = await till.sell()
    await till.spend(800)

    answer = (await till.refund(payment)).answer

    assert (answer["credits_revoked"], answer["credits_shortfall"], answer["clawback"]) == (200, 800, "remaining_only")
    assert (await till.wallet()).balance == 0


async def test_spent_credits_are_owed_where_debt_is_allowed(gateway: StripeGateway, lookalike: LookAlike) -> None:
    till = await Till(Desk(gateway), lookalike).open(Clawback.ALLOW_DEBT)
    payment = await till.sell()
    await till.spend(800)

    answer = (await till.refund(payment)).answer

    assert (answer["credits_revoked"], answer["credits_shortfall"], answer["clawback"]) == (1000, 0, "allow_debt")
    wallet = await till.wallet()
    assert (wallet.balance, wallet.available) == (-800, 0)


# Told of.


async def test_a_pending_refund_is_set_aside_until_it_succeeds(till: Till) -> None:
    payment = await till.sell(PENDING_FIRST)

    receipt = await till.refund(payment, amount_minor=4_00)

    assert (receipt.answer["status"], receipt.answer["credits_revoked"]) == ("pending", 0)
    now = await till.now(payment)
    assert (now.refunded_minor, now.reserved_minor, now.refundable_minor) == (0, 4_00, 6_00)
    await till.settle(receipt.answer["gateway_refund_id"], "succeed")
    await till.hear(receipt.answer["gateway_refund_id"])
    now = await till.now(payment)
    assert (now.refunded_minor, now.reserved_minor) == (4_00, 0)
    assert (await till.wallet()).balance == 600


async def test_a_canceled_refund_leaves_everything_as_it_was(till: Till) -> None:
    payment = await till.sell(PENDING_FIRST)
    receipt = await till.refund(payment)

    await till.settle(receipt.answer["gateway_refund_id"], "cancel")
    await till.hear(receipt.answer["gateway_refund_id"])

    now = await till.now(payment)
    assert (now.refundable_minor, now.refunds[receipt.answer["refund_id"]].status) == (10_00, RefundStatus.CANCELED)
    assert (await till.wallet()).balance == 1000


async def test_a_refund_that_fails_after_all_gives_the_credits_back(till: Till) -> None:
    payment = await till.sell(FAILS_LATER)
    receipt = await till.refund(payment)
    assert (receipt.answer["status"], (await till.wallet()).balance) == ("succeeded", 0)

    await till.settle(receipt.answer["gateway_refund_id"], "fail")
    await till.hear(receipt.answer["gateway_refund_id"])

    failed, restored = till.desk.events[-2:]
    assert isinstance(failed, PaymentRefundFailed)
    assert isinstance(restored, CreditsRestored)
    assert (failed.was_refunded, failed.code, failed.credits_restored) == (True, "expired_or_canceled_card", 1000)
    assert (await till.wallet()).balance == 1000
    assert (await till.now(payment)).refundable_minor == 10_00


async def test_a_refund_made_in_the_dashboard_is_one_of_ours_too(till: Till) -> None:
    payment = await till.sell()
    made = await till.refund_in_dashboard(payment, 4_00)

    await till.hear(made, "refund.created")
    await till.hear(made)

    now = await till.now(payment)
    (refund,) = now.refunds.values()
    assert (refund.gateway_refund_id, refund.status, now.refunded_minor) == (made, RefundStatus.SUCCEEDED, 4_00)
    assert (await till.wallet()).balance == 600
    assert sum(isinstance(event, PaymentRefunded) for event in till.desk.events) == 1


async def test_a_sum_above_what_is_known_makes_us_ask_for_the_refunds_behind_it(till: Till) -> None:
    payment = await till.sell()
    made = {await till.refund_in_dashboard(payment, amount) for amount in (1_00, 2_00)}

    await till.hear(str(payment.gateway_payment_id), "charge.refunded")

    now = await till.now(payment)
    assert {refund.gateway_refund_id for refund in now.refunds.values()} == made
    assert now.refunded_minor == 3_00


async def test_a_refund_with_which_more_would_be_back_than_was_paid_makes_us_ask_which_one_failed(till: Till) -> None:
    payment = await till.sell(FAILS_LATER)
    first = await till.refund_in_dashboard(payment, 10_00)
    await till.hear(first, "refund.created")
    await till.settle(first, "fail")  # Of which no word comes.
    second = await till.refund_in_dashboard(payment, 6_00)

    await till.hear(second, "refund.created")

    now = await till.now(payment)
    stands = {refund.gateway_refund_id: refund.status for refund in now.refunds.values()}
    assert stands == {first: RefundStatus.FAILED, second: RefundStatus.SUCCEEDED}
    assert (now.refunded_minor, (await till.wallet()).balance) == (6_00, 400)
    totals = [event.refunded_minor_total for event in till.desk.events if isinstance(event, PaymentRefunded)]
    assert totals == [10_00, 6_00]


async def test_a_sum_that_is_known_asks_nobody(till: Till, lookalike: LookAlike) -> None:
    payment = await till.sell()
    await till.refund(payment, amount_minor=4_00)
    (delivery,) = [
        delivery
        for delivery in await till.deliveries(str(payment.gateway_payment_id))
        if isinstance(delivery.notice, ChargeRefunded)
    ]
    before = len(till.desk.events)
    await lookalike.control("faults", kind="reset_before", path=REFUNDS, times=9)

    await till.apply(delivery)

    assert len(till.desk.events) == before


async def test_a_refund_before_its_payment_is_known_to_be_paid_waits(till: Till) -> None:
    payment = await till.sell(heard=False)
    (intent,) = [
        delivery.gateway_payment_id
        for delivery in await till.deliveries(payment.payment_id)
        if delivery.event_type == "checkout.session.completed"
    ]
    made = await till.refund_in_dashboard(replace(payment, gateway_payment_id=intent), 4_00)
    with pytest.raises(NoticeUnmatched):
        await till.hear(made)

    await till.hear_of_payment(str(payment.checkout_id))
    await till.hear(made)

    assert (await till.now(payment)).refunded_minor == 4_00


async def test_a_refund_of_another_service_s_payment_is_not_ours(till: Till, lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    made = await lookalike.client.v1.refunds.create_async({"charge": charge.id})

    with pytest.raises(NoticeUnmatched):
        await till.hear(made.id)


async def test_a_refund_that_claims_a_payment_that_is_not_its_own_is_not_believed(
    till: Till, lookalike: LookAlike
) -> None:
    payment, charge = await till.sell(), await lookalike.charge()
    made = await lookalike.client.v1.refunds.create_async(
        {"charge": charge.id, "metadata": {"payment_id": payment.payment_id}}
    )

    with pytest.raises(NoticeUnmatched):
        await till.hear(made.id)
    assert (await till.now(payment)).refunded_minor == 0


async def test_an_old_refund_that_names_its_charge_only_is_found_by_it(till: Till) -> None:
    payment = await till.sell()
    made = await till.refund_in_dashboard(payment, 4_00)
    (delivery, *_) = await till.deliveries(made)
    assert isinstance(delivery.notice, RefundUpdated)

    await till.apply(replace(delivery, notice=replace(delivery.notice, gateway_payment_id=None)))

    assert (await till.now(payment)).refunded_minor == 4_00


# Networks, and others at the same time.


async def test_while_the_answer_is_unknown_the_money_is_set_aside(till: Till, lookalike: LookAlike) -> None:
    payment, asked = await till.sell(), context()
    await lookalike.control("faults", kind="reset_after", path=REFUNDS, times=9)

    receipt = await till.refund(payment, asked, amount_minor=4_00)

    assert (receipt.answer["status"], receipt.answer["gateway_refund_id"]) == ("requested", None)
    assert not receipt.replayed
    assert (await till.now(payment)).reserved_minor == 4_00
    await lookalike.http.delete("/sandbox/faults")
    answer = (await till.refund(payment, asked, amount_minor=4_00)).answer
    assert (answer["status"], answer["amount_refunded"]) == ("succeeded", 4_00)
    assert len(await refunds_there(till, payment)) == 1


async def test_a_webhook_that_overtakes_the_answer_ends_the_same_refund(till: Till, lookalike: LookAlike) -> None:
    payment, asked = await till.sell(), context()
    await lookalike.control("faults", kind="reset_after", path=REFUNDS, times=9)
    await till.refund(payment, asked)
    await lookalike.http.delete("/sandbox/faults")
    (made,) = await refunds_there(till, payment)

    await till.hear(made.gateway_refund_id)

    (refund,) = (await till.now(payment)).refunds.values()
    assert (refund.refund_id, refund.status) == (refund_id_of(asked.command_id), RefundStatus.SUCCEEDED)
    answer = (await till.refund(payment, asked)).answer
    assert (answer["status"], answer["credits_revoked"]) == ("succeeded", 1000)
    assert len(await refunds_there(till, payment)) == 1


async def test_what_the_dashboard_was_faster_with_is_refused_and_learned_of(till: Till) -> None:
    payment, asked = await till.sell(), context()
    await till.refund_in_dashboard(payment, 10_00)

    with pytest.raises(DomainError) as refused:
        await till.refund(payment, asked)

    assert (refused.value.code, refused.value.type) == ("refund_not_possible", "conflict")
    now = await till.now(payment)
    assert (now.refunded_minor, now.reserved_minor) == (10_00, 0)
    ours = now.refunds[refund_id_of(asked.command_id)]
    assert (ours.status, ours.failure_code) == (RefundStatus.FAILED, "charge_already_refunded")
    with pytest.raises(DomainError) as again:
        await till.refund(payment, asked)
    assert again.value.message == refused.value.message


async def test_fifty_at_once_under_one_key_give_back_once(till: Till) -> None:
    payment, asked = await till.sell(), context()

    answers = await asyncio.gather(*(till.refund(payment, asked) for _ in range(50)), return_exceptions=True)

    assert len(await refunds_there(till, payment)) == 1
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert all(isinstance(answer, CommandInProgress) for answer in refused)
    assert len(refused) < 50


async def test_two_that_are_more_than_the_whole_together_are_not_both_made(till: Till) -> None:
    payment = await till.sell()

    answers = await asyncio.gather(*(till.refund(payment, amount_minor=7_00) for _ in range(4)), return_exceptions=True)

    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert sum(isinstance(answer, RefundExceedsPayment) for answer in answers) == 3
    assert (await till.now(payment)).refunded_minor == 7_00


async def test_money_can_go_back_to_one_who_was_erased(till: Till) -> None:
    payment = await till.sell()
    await till.desk.vault.shred(payment.customer_id)

    assert (await till.refund(payment)).answer["status"] == "succeeded"


class Interrupted(MemoryStore):
    """A store whose process dies instead of recording, while it is told to."""

    dies = False

    async def record(self, context: Context, streams: Sequence[Stream[Any, Any]], decide: Decide) -> Receipt:
        if self.dies:
            raise KeyboardInterrupt
        return await super().record(context, streams, decide)


async def test_what_was_kept_before_a_crash_is_what_is_asked_for_after_it(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    store = Interrupted()
    till = await Till(Desk(gateway, store), lookalike).open()
    payment, asked = await till.sell(), context()
    store.dies = True
    with pytest.raises(KeyboardInterrupt):
        await till.refund(payment, asked, amount_minor=4_00)
    store.dies = False
    kept = await till.desk.open_requests.get(RequestKind.REFUND, refund_id_of(asked.command_id))

    answer = (await till.refund(payment, asked, amount_minor=4_00)).answer

    assert await till.desk.open_requests.get(RequestKind.REFUND, refund_id_of(asked.command_id)) == kept
    assert (answer["amount"], answer["amount_refundable"]) == (4_00, 6_00)


async def test_a_pending_refund_of_the_dashboard_s_is_asked_after_from_then_on(till: Till) -> None:
    payment = await till.sell(PENDING_FIRST)
    made = await till.refund_in_dashboard(payment, 4_00)

    await till.hear(made, "refund.created")

    (refund,) = (await till.now(payment)).refunds.values()
    kept = await till.desk.open_requests.get(RequestKind.REFUND, refund.refund_id)
    assert kept is not None
    assert (kept.stream_id, kept.request) == (payment.payment_id, None)
    assert sum(isinstance(event, PaymentRefundPending) for event in till.desk.events) == 1
