"""Money that goes back, decision by decision: what may be asked for, and what the gateway's word makes of it."""

from dataclasses import replace
from itertools import permutations

import pytest

from domain.errors import DomainError
from domain.payment import (
    PAYMENTS,
    Payment,
    PaymentEvent,
    PaymentFailed,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundPending,
    PaymentRefundRequested,
    RefundStatus,
    refunds,
)
from domain.payment.claims import CreditsReclaimed
from domain.payment.errors import NothingToRefund, PaymentNotPaid, RefundExceedsPayment, TakingUnknown
from domain.payment.refunds import RefundTold
from tests.samples import initiated, opened, succeeded

PAID = (
    initiated(amount_minor=10_00, credits=1000, credit_type="api"),
    opened(),
    succeeded(amount_minor=10_00, amount_differs=False),
)
FREE = (initiated(amount_minor=0), opened(), succeeded(amount_minor=0))
NOTHING = CreditsReclaimed(revoked=0, shortfall=0, clawback="remaining_only")


def given(*events: PaymentEvent) -> Payment:
    payment = PAYMENTS.fold(events)
    assert payment is not None
    return payment


def after(payment: Payment, facts: list[PaymentEvent]) -> Payment:
    return PAYMENTS.fold(facts, payment) or payment


def asked(payment: Payment, refund_id: str = "rfd_1", amount_minor: int = 4_00) -> list[PaymentEvent]:
    return refunds.request_refund(
        payment, refund_id=refund_id, amount_minor=amount_minor, reason="too small", metadata={"ticket": "7"}
    )


def told(refund_id: str = "rfd_1", amount_minor: int = 4_00, gateway_refund_id: str | None = None) -> RefundTold:
    return RefundTold(
        refund_id=refund_id,
        gateway_refund_id=gateway_refund_id or f"re_{refund_id}",
        amount_minor=amount_minor,
        currency="usd",
        reason=None,
    )


def hear(payment: Payment, status: RefundStatus, of: RefundTold) -> list[PaymentEvent]:
    match status:
        case RefundStatus.PENDING:
            return refunds.take_on(payment, of)
        case RefundStatus.SUCCEEDED:
            reclaimed = replace(NOTHING, revoked=refunds.credits_to_reclaim(payment, of))
            return refunds.succeed(payment, of, reclaimed)
        case RefundStatus.FAILED:
            return refunds.fail(payment, of, "lost_or_stolen_card", 0)
        case _:
            return refunds.cancel(payment, of)


def test_what_is_asked_for_is_set_aside() -> None:
    payment = given(*PAID)

    facts = asked(payment)

    assert facts == [
        PaymentRefundRequested(
            payment_id="pay_1",
            refund_id="rfd_1",
            amount_minor=4_00,
            currency="usd",
            refunded_minor_total=0,
            reserved_minor_total=4_00,
            reason="too small",
            metadata={"ticket": "7"},
        )
    ]
    assert after(payment, facts).refundable_minor == 6_00


def test_a_retried_refund_records_nothing_new() -> None:
    payment = given(*PAID)

    assert asked(after(payment, asked(payment))) == []


@pytest.mark.parametrize(
    ("history", "asked_minor", "refusal"),
    [
        ((initiated(),), None, PaymentNotPaid),
        ((initiated(), opened()), 1, PaymentNotPaid),
        ((initiated(), PaymentFailed(payment_id="pay_1", code="x", reason="x")), 1, PaymentNotPaid),
        (FREE, None, NothingToRefund),
        (FREE, 1, NothingToRefund),
        ((*PAID[:2], succeeded(amount_minor=10_00, gateway_payment_id=None)), 1, TakingUnknown),
        (PAID, 10_01, RefundExceedsPayment),
    ],
)
def test_what_is_not_there_cannot_go_back(
    history: tuple[PaymentEvent, ...], asked_minor: int | None, refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        refunds.amount_to_refund(given(*history), asked_minor)


def test_refunds_under_way_and_refunds_made_leave_the_rest() -> None:
    payment = given(*PAID)
    payment = after(payment, asked(payment, "rfd_1", 4_00))
    payment = after(payment, asked(payment, "rfd_2", 5_00))
    payment = after(payment, hear(payment, RefundStatus.SUCCEEDED, told("rfd_2", 5_00)))

    assert (payment.refunded_minor, payment.reserved_minor, payment.refundable_minor) == (5_00, 4_00, 1_00)
    assert refunds.amount_to_refund(payment, None) == 1_00
    with pytest.raises(RefundExceedsPayment) as caught:
        asked(payment, "rfd_3", 1_01)
    assert caught.value.details == {"amount_left": 1_00, "currency": "usd"}
    payment = after(payment, asked(payment, "rfd_3", 1_00))
    with pytest.raises(RefundExceedsPayment):
        refunds.amount_to_refund(payment, None)


@pytest.mark.parametrize("ending", [RefundStatus.FAILED, RefundStatus.CANCELED])
def test_what_comes_to_nothing_can_be_refunded_again(ending: RefundStatus) -> None:
    payment = given(*PAID)
    payment = after(payment, asked(payment, amount_minor=10_00))

    payment = after(payment, hear(payment, ending, told(amount_minor=10_00)))

    assert payment.refundable_minor == 10_00
    assert payment.refunds["rfd_1"].status is ending


def test_a_refund_that_had_succeeded_may_fail_and_says_that_it_had() -> None:
    payment = given(*PAID)
    payment = after(payment, hear(payment, RefundStatus.SUCCEEDED, told()))

    (failed,) = refunds.fail(payment, told(), "expired_or_canceled_card", 400)

    assert isinstance(failed, PaymentRefundFailed)
    assert (failed.was_refunded, failed.credits_restored, failed.refunded_minor_total) == (True, 400, 0)
    assert after(payment, [failed]).refundable_minor == 10_00


@pytest.mark.parametrize(
    "life",
    [
        (RefundStatus.PENDING, RefundStatus.SUCCEEDED),
        (RefundStatus.PENDING, RefundStatus.FAILED),
        (RefundStatus.PENDING, RefundStatus.CANCELED),
        (RefundStatus.PENDING, RefundStatus.SUCCEEDED, RefundStatus.FAILED),
    ],
)
@pytest.mark.parametrize("ours", [True, False])
def test_every_order_of_the_gateway_s_words_ends_alike(life: tuple[RefundStatus, ...], ours: bool) -> None:
    endings = set()
    for order in permutations(life):
        payment = given(*PAID)
        if ours:
            payment = after(payment, asked(payment))
        for status in (*order, *order):
            payment = after(payment, hear(payment, status, told()))
        endings.add(repr(payment))

    assert len(endings) == 1
    assert payment.refunds["rfd_1"].status is life[-1]


def test_several_partial_refunds_take_back_exactly_the_whole() -> None:
    payment = given(*PAID)
    taken = []
    for number, amount in enumerate((3_33, 3_33, 3_34)):
        of = told(f"rfd_{number}", amount)
        taken.append(refunds.credits_to_reclaim(payment, of))
        payment = after(payment, hear(payment, RefundStatus.SUCCEEDED, of))

    assert taken == [333, 333, 334]


def test_after_a_failed_one_the_next_refund_takes_back_what_makes_it_whole() -> None:
    payment = given(*PAID)
    for number in range(3):
        payment = after(payment, hear(payment, RefundStatus.SUCCEEDED, told(f"rfd_{number}", 3_33)))
    payment = after(payment, hear(payment, RefundStatus.FAILED, told("rfd_1", 3_33)))

    assert refunds.credits_to_reclaim(payment, told("rfd_3", 3_34)) == 1000 - 2 * 333


def test_a_refund_that_is_known_to_have_failed_takes_no_credits() -> None:
    payment = given(*PAID)
    payment = after(payment, hear(payment, RefundStatus.FAILED, told()))

    assert refunds.credits_to_reclaim(payment, told()) == 0


def test_ours_is_known_by_our_id_until_it_has_one_of_the_gateway_s() -> None:
    payment = given(*PAID)
    payment = after(payment, asked(payment))
    assert refunds.our_id(payment, "re_1", "rfd_1") == "rfd_1"

    payment = after(payment, hear(payment, RefundStatus.PENDING, told(gateway_refund_id="re_1")))

    assert refunds.our_id(payment, "re_1", None) == "rfd_1"
    assert refunds.our_id(payment, "re_2", "rfd_1") != "rfd_1", "somebody copied what was written on it"


def test_one_made_in_the_dashboard_gets_the_same_id_each_time() -> None:
    payment = given(*PAID)

    ids = {refunds.our_id(payment, "re_1", claimed) for claimed in (None, "rfd_unknown")}

    assert len(ids) == 1
    assert ids.pop().startswith("rfd_")


def test_what_the_gateway_never_made_fails_and_its_money_is_free_again() -> None:
    payment = given(*PAID)
    payment = after(payment, asked(payment))

    (failed,) = refunds.refuse(payment, "rfd_1", "charge_disputed")

    assert isinstance(failed, PaymentRefundFailed)
    assert (failed.gateway_refund_id, failed.was_refunded, failed.code) == (None, False, "charge_disputed")
    payment = after(payment, [failed])
    assert payment.refundable_minor == 10_00
    assert refunds.refuse(payment, "rfd_1", "charge_disputed") == []


def test_what_was_given_up_here_and_made_there_all_the_same_is_taken_as_made() -> None:
    payment = given(*PAID)
    payment = after(payment, asked(payment))
    payment = after(payment, refunds.refuse(payment, "rfd_1", "not_made"))

    (refunded,) = hear(payment, RefundStatus.SUCCEEDED, told())

    assert isinstance(refunded, PaymentRefunded)
    payment = after(payment, [refunded])
    assert (payment.refunded_minor, payment.refunds["rfd_1"].failure_code) == (4_00, None)


def test_every_fact_carries_the_totals_after_it() -> None:
    payment = given(*PAID)
    life = [
        *asked(payment, "rfd_1", 4_00),
        PaymentRefundPending(
            payment_id="pay_1",
            refund_id="rfd_2",
            gateway_refund_id="re_2",
            amount_minor=1_00,
            currency="usd",
            refunded_minor_total=0,
            reserved_minor_total=5_00,
        ),
    ]
    for fact in life:
        payment = after(payment, [fact])
    for status, of in (
        (RefundStatus.SUCCEEDED, told("rfd_1", 4_00)),
        (RefundStatus.SUCCEEDED, told("rfd_2", 1_00, "re_2")),
        (RefundStatus.FAILED, told("rfd_1", 4_00)),
    ):
        (fact,) = hear(payment, status, of)
        payment = after(payment, [fact])
        assert isinstance(fact, PaymentRefunded | PaymentRefundFailed)
        assert (fact.refunded_minor_total, fact.reserved_minor_total) == (
            payment.refunded_minor,
            payment.reserved_minor,
        )
