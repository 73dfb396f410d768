"""Every order of a life's webhooks ends in one and the same state: payments on a page, and their refunds."""

from collections.abc import Callable

import pytest

from domain.payment import Payment, PaymentSucceeded
from gateways.notices import Delivery
from gateways.stripe.client import StripeGateway
from schemas.names import name_of, topic_of
from tests.commands.payments import Desk, context
from tests.commands.refunding import FAILS_LATER, PENDING_FIRST, Till
from tests.orders import Life, of_types, stored, tell_in_every_order
from tests.sandbox.stripe.lookalike import LookAlike

pytestmark = pytest.mark.timeout(600)  # A hundred and twenty copies of a life, on a busy machine.

Note = Callable[[str, object], None]

COMPLETED = "checkout.session.completed"
CHARGED = ("payment_intent.created", "charge.succeeded", "payment_intent.succeeded")
IBAN = "AT611904300234573201"


@pytest.fixture
async def till(gateway: StripeGateway, lookalike: LookAlike) -> Till:
    return await Till(Desk(gateway), lookalike).open()


async def lived(till: Till, name: str, payment: Payment, *told: str) -> Life:
    """What became of a payment so far; these types are the authoritative ones. What we heard of it comes first, always."""
    sent = await till.all_sent(payment.payment_id)
    intents = {delivery.gateway_payment_id for delivery in sent} - {None}
    sent = await till.all_sent(payment.payment_id, *(str(intent) for intent in intents))
    authoritative = of_types(sent, *told)
    before = [_heard(event, sent) for event in till.desk.events if _is_of(payment, event)]
    others = [delivery for delivery in sent if delivery not in authoritative and delivery not in before]
    return Life(name=name, before=before, told=authoritative, others=others, gateway=till.desk.gateway)


def _is_of(payment: Payment, event: object) -> bool:
    return topic_of(name_of(event)) == "payments" and getattr(event, "payment_id", None) == payment.payment_id


def _heard(event: object, sent: list[Delivery]) -> object:
    """A success is told by its webhook, which buys the credits too."""
    return of_types(sent, COMPLETED)[0] if isinstance(event, PaymentSucceeded) else event


# Payments on a page.


async def test_a_one_off_payment(till: Till, database_url: str, record_property: Note) -> None:
    payment = await till.sell(heard=False)

    ending = await tell_in_every_order(
        await lived(till, "one-off", payment, *CHARGED, COMPLETED), database_url, record_property
    )

    assert stored(ending, "status") == ["succeeded"]
    assert stored(ending, "balance") == [1000]


@pytest.mark.parametrize(
    ("outcome", "last", "status", "balances"),
    [
        ("succeed", "checkout.session.async_payment_succeeded", "succeeded", [1000]),
        ("fail", "checkout.session.async_payment_failed", "failed", []),
    ],
)
async def test_a_debit_that_takes_days(
    till: Till,
    lookalike: LookAlike,
    database_url: str,
    record_property: Note,
    outcome: str,
    last: str,
    status: str,
    balances: list[int],
) -> None:
    payment = await till.sell(heard=False, iban=IBAN)
    await lookalike.control(f"checkout/{payment.checkout_id}/settle", outcome=outcome)
    charged = "charge.succeeded" if outcome == "succeed" else "payment_intent.payment_failed"

    life = await lived(till, f"delayed, {outcome}", payment, "payment_intent.processing", COMPLETED, charged, last)
    ending = await tell_in_every_order(life, database_url, record_property)

    assert stored(ending, "status") == [status]
    assert stored(ending, "balance") == balances


# Money that goes back.


async def test_a_part_refunded_in_the_dashboard(till: Till, database_url: str, record_property: Note) -> None:
    payment = await till.sell(heard=False)
    made = await till.refund_in_dashboard(await till.as_paid(payment), 4_00)
    await till.lookalike.event_types_once(made, 3)

    life = await lived(
        till, "partial refund", payment, COMPLETED, "refund.created", "charge.refunded", "refund.updated"
    )
    ending = await tell_in_every_order(life, database_url, record_property)

    assert stored(ending, "balance") == [600]
    assert sorted(stored(ending, "status")) == ["succeeded", "succeeded"]


async def test_all_refunded_by_us_while_the_answer_was_lost(
    till: Till, lookalike: LookAlike, database_url: str, record_property: Note
) -> None:
    payment = await till.sell()
    await lookalike.control("faults", kind="reset_after", path="/v1/refunds", method="POST", times=9)
    assert (await till.refund(payment, context())).answer["status"] == "requested"
    await lookalike.http.delete("/sandbox/faults")
    (made,) = await till.desk.gateway.list_refunds(str(payment.gateway_payment_id))
    await lookalike.event_types_once(made.gateway_refund_id, 3)

    told = ("refund.created", "charge.refunded", "refund.updated", "charge.refund.updated")
    life = await lived(till, "full refund, ours", payment, *told)
    ending = await tell_in_every_order(life, database_url, record_property)

    assert stored(ending, "balance") == [0]
    assert stored(ending, "refund_id") == ["rfd_…"]


async def test_a_refund_that_is_pending_first(till: Till, database_url: str, record_property: Note) -> None:
    payment = await till.sell(PENDING_FIRST, heard=False)
    made = await till.refund_in_dashboard(await till.as_paid(payment), 2_50)
    await till.settle(made, "succeed")

    told = (COMPLETED, "refund.created", "charge.refunded", "refund.updated", "charge.refund.updated")
    ending = await tell_in_every_order(
        await lived(till, "refund, pending first", payment, *told), database_url, record_property
    )

    assert stored(ending, "balance") == [750]


async def test_a_refund_that_fails_after_it_had_succeeded(till: Till, database_url: str, record_property: Note) -> None:
    payment = await till.sell(FAILS_LATER, heard=False)
    made = await till.refund_in_dashboard(await till.as_paid(payment), 10_00)
    await till.settle(made, "fail")

    told = (COMPLETED, "refund.created", "charge.refunded", "refund.failed", "refund.updated")
    ending = await tell_in_every_order(
        await lived(till, "refund, failed after success", payment, *told), database_url, record_property
    )

    assert stored(ending, "balance") == [1000]
    assert sorted(stored(ending, "status")) == ["failed", "succeeded"]


# Disputes.


@pytest.mark.parametrize(
    ("evidence", "last", "status", "balance"),
    [
        ("winning_evidence", "charge.dispute.funds_reinstated", "won", 1000),
        ("losing_evidence", "charge.dispute.funds_withdrawn", "lost", 0),
    ],
)
async def test_a_dispute(
    till: Till, database_url: str, record_property: Note, evidence: str, last: str, status: str, balance: int
) -> None:
    payment = await till.sell(heard=False)
    dispute_id = await till.dispute(await till.as_paid(payment))
    await till.answer(dispute_id, evidence)

    told = (COMPLETED, "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", last)
    ending = await tell_in_every_order(
        await lived(till, f"dispute {status}", payment, *told), database_url, record_property
    )

    assert sorted(stored(ending, "status")) == sorted([status, "succeeded"])
    assert stored(ending, "balance") == [balance]
    assert stored(ending, "freezes") == [[]]
