"""A payment is disputed: what word of it is worth, what it changes, and what it takes."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from domain.payment import (
    PAYMENTS,
    DisputeStatus,
    Payment,
    PaymentDisputeClosed,
    PaymentDisputeOpened,
    PaymentDisputeUpdated,
    PaymentEvent,
    disputes,
    refunds,
)
from domain.payment.claims import CreditsReclaimed
from domain.payment.disputes import DisputeTold, News
from domain.payment.errors import PaymentDisputed, RefundExceedsPayment
from domain.payment.refunds import RefundTold
from tests.samples import initiated, opened, succeeded

PAID = (
    initiated(amount_minor=10_00, credits=1000, credit_type="api"),
    opened(),
    succeeded(amount_minor=10_00, amount_differs=False),
)
OPENED_AT = datetime(2026, 3, 2, tzinfo=UTC)
DUE_BY = datetime(2026, 3, 9, tzinfo=UTC)
NEEDS_RESPONSE, UNDER_REVIEW = DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW
WON, LOST, APPEALED = DisputeStatus.WON, DisputeStatus.LOST, DisputeStatus.APPEAL_UNDER_REVIEW


def given(*events: PaymentEvent) -> Payment:
    payment = PAYMENTS.fold(events)
    assert payment is not None
    return payment


def word(status: DisputeStatus, dispute_id: str = "du_1", **changes: Any) -> DisputeTold:
    usual = DisputeTold(
        dispute_id=dispute_id,
        status=status,
        amount_minor=10_00,
        currency="usd",
        reason="fraudulent",
        refundable=status.value.startswith("warning"),
        opened_at=OPENED_AT,
        evidence_due_by=DUE_BY,
    )
    return replace(usual, **changes)


def taken(payment: Payment, *words: DisputeTold) -> Payment:
    """The payment once these words are taken, as new or not."""
    for each in words:
        wanted = disputes.credits_to_reclaim(payment, each)
        reclaimed = CreditsReclaimed(revoked=wanted, shortfall=0, clawback="allow_debt")
        payment = PAYMENTS.fold(disputes.take(payment, each, reclaimed, 0), payment) or payment
    return payment


def refunded(payment: Payment, amount_minor: int) -> Payment:
    told = RefundTold(
        refund_id="rfd_1", gateway_refund_id="re_1", amount_minor=amount_minor, currency="usd", reason=None
    )
    wanted = refunds.credits_to_reclaim(payment, told)
    facts = refunds.succeed(payment, told, CreditsReclaimed(revoked=wanted, shortfall=0, clawback="allow_debt"))
    return PAYMENTS.fold(facts, payment) or payment


def test_a_dispute_flags_the_payment_and_says_until_when_it_wants_evidence() -> None:
    (fact,) = disputes.take(
        given(*PAID), word(NEEDS_RESPONSE), CreditsReclaimed(revoked=0, shortfall=0, clawback=""), 0
    )

    assert isinstance(fact, PaymentDisputeOpened)
    assert (fact.status, fact.dispute_status, fact.evidence_due_by) == ("needs_response", "needs_response", DUE_BY)
    payment = given(*PAID, fact)
    assert (payment.disputed, payment.dispute_status, payment.lost_minor) == (True, NEEDS_RESPONSE, 0)


def test_one_that_is_first_heard_of_when_it_is_over_was_opened_all_the_same() -> None:
    facts = disputes.take(given(*PAID), word(LOST), CreditsReclaimed(revoked=900, shortfall=100, clawback="x"), 0)

    assert [type(fact) for fact in facts] == [PaymentDisputeOpened, PaymentDisputeClosed]
    payment = given(*PAID, *facts)
    assert (payment.disputed, payment.dispute_status, payment.lost_minor) == (True, LOST, 10_00)
    assert payment.credits_claimed == 1000


@pytest.mark.parametrize(
    "ending", [WON, DisputeStatus.WARNING_CLOSED, DisputeStatus.PREVENTED, DisputeStatus.CHARGE_REFUNDED]
)
def test_a_dispute_that_takes_nothing_leaves_the_payment_as_it_was(ending: DisputeStatus) -> None:
    payment = taken(given(*PAID), word(NEEDS_RESPONSE), word(ending))

    assert (payment.disputed, payment.dispute_status, payment.refundable_minor) == (False, ending, 10_00)


@pytest.mark.parametrize(
    ("known", "told", "worth"),
    [
        (NEEDS_RESPONSE, NEEDS_RESPONSE, News.NONE),
        (NEEDS_RESPONSE, UNDER_REVIEW, News.CERTAIN),
        (DisputeStatus.WARNING_UNDER_REVIEW, NEEDS_RESPONSE, News.CERTAIN),
        (UNDER_REVIEW, WON, News.CERTAIN),
        (UNDER_REVIEW, NEEDS_RESPONSE, News.DOUBTFUL),
        (LOST, UNDER_REVIEW, News.DOUBTFUL),
        (LOST, WON, News.DOUBTFUL),
        (LOST, APPEALED, News.DOUBTFUL),
        (APPEALED, LOST, News.DOUBTFUL),
        (APPEALED, NEEDS_RESPONSE, News.DOUBTFUL),
    ],
)
def test_only_what_is_surely_later_is_taken_without_asking(
    known: DisputeStatus, told: DisputeStatus, worth: News
) -> None:
    payment = taken(given(*PAID), word(known))

    assert disputes.news(payment, word(told, refundable=payment.disputes["du_1"].refundable)) is worth


def test_the_same_status_with_another_deadline_is_doubtful() -> None:
    payment = taken(given(*PAID), word(NEEDS_RESPONSE))

    assert disputes.news(payment, word(NEEDS_RESPONSE, evidence_due_by=None)) is News.DOUBTFUL


def test_a_loss_takes_the_credits_in_proportion_and_only_once() -> None:
    payment = taken(given(*PAID), word(NEEDS_RESPONSE, amount_minor=3_33))
    assert disputes.credits_to_reclaim(payment, word(LOST, amount_minor=3_33)) == 333

    payment = taken(payment, word(LOST, amount_minor=3_33))

    assert disputes.credits_to_reclaim(payment, word(LOST, amount_minor=3_33)) == 0
    assert (payment.lost_minor, payment.refundable_minor, payment.credits_claimed) == (3_33, 6_67, 333)


def test_refunds_and_losses_take_no_more_than_the_whole_together() -> None:
    payment = refunded(given(*PAID), 4_00)

    payment = taken(payment, word(LOST))

    assert payment.credits_claimed == 1000
    assert payment.refundable_minor == 0
    with pytest.raises(RefundExceedsPayment):
        refunds.amount_to_refund(payment, None)


def test_a_loss_in_another_currency_counts_as_all_of_it() -> None:
    payment = taken(given(*PAID), word(LOST, amount_minor=950, currency="eur"))

    assert (payment.lost_minor, payment.credits_claimed) == (10_00, 1000)


def test_what_a_bank_takes_back_cannot_be_refunded_meanwhile() -> None:
    with pytest.raises(PaymentDisputed):
        refunds.amount_to_refund(taken(given(*PAID), word(NEEDS_RESPONSE)), 1_00)


def test_what_a_bank_only_asks_about_can_be_refunded() -> None:
    payment = taken(given(*PAID), word(DisputeStatus.WARNING_NEEDS_RESPONSE))

    assert refunds.amount_to_refund(payment, None) == 10_00


def test_of_several_disputes_the_most_pressing_names_the_payment() -> None:
    payment = taken(given(*PAID), word(NEEDS_RESPONSE, amount_minor=5_00), word(LOST, "du_2", amount_minor=5_00))
    assert payment.dispute_status is NEEDS_RESPONSE

    (closed,) = disputes.take(
        payment, word(WON, amount_minor=5_00), CreditsReclaimed(revoked=0, shortfall=0, clawback="x"), 0
    )

    assert isinstance(closed, PaymentDisputeClosed)
    assert (closed.status, closed.dispute_status, closed.lost_minor_total) == ("won", "lost", 5_00)


def test_a_loss_that_is_won_on_appeal_takes_nothing_in_the_end() -> None:
    payment = taken(given(*PAID), word(NEEDS_RESPONSE), word(LOST), word(APPEALED))
    assert (payment.dispute_status, payment.lost_minor, payment.credits_claimed) == (APPEALED, 10_00, 1000)

    payment = taken(payment, word(WON))

    assert (payment.disputed, payment.lost_minor, payment.credits_claimed) == (False, 0, 0)


def test_an_appeal_that_is_the_first_word_of_a_dispute_tells_of_a_loss() -> None:
    facts = disputes.take(given(*PAID), word(APPEALED), CreditsReclaimed(revoked=1000, shortfall=0, clawback="x"), 0)

    assert [type(fact) for fact in facts] == [PaymentDisputeOpened, PaymentDisputeClosed, PaymentDisputeUpdated]
    payment = given(*PAID, *facts)
    assert (payment.lost_minor, payment.dispute_status, payment.credits_claimed) == (10_00, APPEALED, 1000)


def test_a_loss_that_is_confirmed_on_appeal_keeps_what_it_took() -> None:
    payment = taken(given(*PAID), word(LOST), word(APPEALED), word(LOST))

    assert (payment.lost_minor, payment.credits_claimed) == (10_00, 1000)


def test_each_loss_takes_credits_under_an_id_of_its_own() -> None:
    payment = given(*PAID)
    ids = [disputes.revocation_id(payment, "du_1")]
    for status in (LOST, APPEALED, WON, LOST):
        payment = taken(payment, word(status))
        ids.append(disputes.revocation_id(payment, "du_1"))

    assert ids == ["du_1/1", "du_1/1", "du_1/1", "du_1/2", "du_1/2"]


@pytest.mark.parametrize("ending", [WON, LOST])
def test_every_order_of_words_ends_alike_when_what_is_doubtful_is_asked_after(ending: DisputeStatus) -> None:
    """The gateway answers with the end; what is certain is taken as it is."""
    endings = set()
    for order in permutations((NEEDS_RESPONSE, UNDER_REVIEW, ending)):
        payment = given(*PAID)
        for status in (*order, *order):
            told = word(status)
            if disputes.news(payment, told) is News.DOUBTFUL:
                told = word(ending)
            if disputes.news(payment, told) is not News.NONE:
                payment = taken(payment, told)
        endings.add(repr(payment))

    assert len(endings) == 1
    assert payment.dispute_status is ending
