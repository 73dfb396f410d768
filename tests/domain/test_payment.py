"""The life of a payment, decision by decision."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations

import pytest

from domain.errors import DomainError
from domain.payment import (
    PAYMENTS,
    Payment,
    PaymentAttemptFailed,
    PaymentCanceled,
    PaymentCheckoutOpened,
    PaymentEvent,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentProcessing,
    PaymentSucceeded,
    PaymentUnconfirmed,
    Status,
    checkout,
    invoicing,
    settlement,
)
from domain.payment.errors import (
    CheckoutAlreadyOpened,
    CheckoutNotKnownYet,
    PaymentAlreadySucceeded,
    PaymentEnded,
    PaymentNotCancelable,
)
from tests.samples import EBOOK, PRO, initiated, succeeded

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
INITIATED = initiated("pay_1")
OPENED = PaymentCheckoutOpened(payment_id="pay_1", checkout_id="cs_1", expires_at=NOW)
UNCONFIRMED = PaymentUnconfirmed(payment_id="pay_1", reason="timeout")
PROCESSING = PaymentProcessing(payment_id="pay_1", checkout_id="cs_1")
SUCCEEDED = succeeded("pay_1", checkout_id="cs_1")
FAILED = PaymentFailed(payment_id="pay_1", code="no_funds", reason="the bank sent no money")
EXPIRED = PaymentExpired(payment_id="pay_1", reason="closed")
CANCELED = PaymentCanceled(payment_id="pay_1", reason="changed their mind")
DECLINED = PaymentAttemptFailed(payment_id="pay_1", attempt_id="ch_1", code="card_declined")


def given(*events: PaymentEvent) -> Payment:
    payment = PAYMENTS.fold(events)
    assert payment is not None
    return payment


def paid(payment: Payment, amount_minor: int = 29_99, currency: str = "usd") -> list[PaymentEvent]:
    return settlement.succeed(
        payment,
        amount_minor=amount_minor,
        currency=currency,
        checkout_id="cs_1",
        gateway_payment_id="pi_1",
        gateway_subscription_id=None,
    )


def test_what_is_initiated_carries_the_whole_order() -> None:
    facts = checkout.initiate(
        None,
        payment_id="pay_1",
        project_id="prj_1",
        user_id="u1",
        product=EBOOK,
        quantity=3,
        gateway="stripe",
        metadata={"cart": "7"},
        now=NOW,
    )

    (initiated,) = facts
    assert isinstance(initiated, PaymentInitiated)
    assert (initiated.amount_minor, initiated.quantity, initiated.metadata) == (89_97, 3, {"cart": "7"})


def test_a_trial_is_expected_to_cost_nothing_at_first() -> None:
    (initiated,) = checkout.initiate(
        None,
        payment_id="pay_1",
        project_id="prj_1",
        user_id="u1",
        product=replace(PRO, price=replace(PRO.price, trial_days=14)),
        quantity=2,
        gateway="stripe",
        metadata={},
        now=NOW,
    )

    assert isinstance(initiated, PaymentInitiated)
    assert initiated.amount_minor == 0


def pay_for_a_month(payment: Payment | None) -> list[PaymentEvent]:
    return invoicing.pay_invoice(
        payment,
        project_id="prj_1",
        user_id="u1",
        customer_id="cus_u1",
        subscription_id="sub_1",
        invoice_id="in_2",
        product_id="pro",
        product_type="pro_features",
        price_id="price_pro_monthly",
        quantity=1,
        amount_minor=20_00,
        currency="usd",
        credits=100,
        credit_type="api",
        gateway="stripe",
        gateway_payment_id="pi_2",
        gateway_subscription_id="sub_at_stripe",
        issued_at=NOW,
    )


def test_an_invoice_that_was_paid_is_a_payment_of_its_own() -> None:
    payment = given(*pay_for_a_month(None))

    assert payment.payment_id == invoicing.payment_id_of("stripe", "in_2")
    assert (payment.status, payment.subscription_id, payment.checkout_id) == (Status.SUCCEEDED, "sub_1", None)
    assert (payment.refundable_minor, payment.gateway_payment_id) == (20_00, "pi_2")
    assert pay_for_a_month(payment) == []


def test_a_payment_is_initiated_once() -> None:
    facts = checkout.initiate(
        given(INITIATED),
        payment_id="pay_1",
        project_id="prj_1",
        user_id="u1",
        product=EBOOK,
        quantity=1,
        gateway="stripe",
        metadata={},
        now=NOW,
    )

    assert facts == []


@pytest.mark.parametrize(
    ("history", "status"),
    [
        ((INITIATED,), Status.INITIATED),
        ((INITIATED, UNCONFIRMED), Status.UNCONFIRMED),
        ((INITIATED, UNCONFIRMED, OPENED), Status.CHECKOUT_OPENED),
        ((INITIATED, OPENED, DECLINED), Status.CHECKOUT_OPENED),
        ((INITIATED, OPENED, PROCESSING), Status.PROCESSING),
        ((INITIATED, OPENED, PROCESSING, FAILED), Status.FAILED),
        ((INITIATED, OPENED, EXPIRED), Status.EXPIRED),
        ((INITIATED, OPENED, EXPIRED, CANCELED), Status.CANCELED),
        ((INITIATED, OPENED, CANCELED, EXPIRED), Status.CANCELED),
        ((INITIATED, SUCCEEDED, OPENED), Status.SUCCEEDED),
    ],
)
def test_a_payment_never_goes_back(history: tuple[PaymentEvent, ...], status: Status) -> None:
    assert given(*history).status is status


@pytest.mark.parametrize(
    "earlier", [(), (OPENED,), (OPENED, PROCESSING), (CANCELED,), (EXPIRED,), (FAILED,), (UNCONFIRMED,)]
)
def test_money_wins_over_whatever_was_thought_before(earlier: tuple[PaymentEvent, ...]) -> None:
    payment = given(INITIATED, *earlier)

    facts = paid(payment)

    assert len(facts) == 1
    assert given(INITIATED, *earlier, *facts).status is Status.SUCCEEDED


def test_a_second_proof_of_payment_records_nothing_new() -> None:
    assert paid(given(INITIATED, OPENED, SUCCEEDED)) == []


@pytest.mark.parametrize(
    ("amount", "currency", "differs"), [(29_99, "usd", False), (29_98, "usd", True), (29_99, "eur", True)]
)
def test_another_amount_is_taken_and_flagged(amount: int, currency: str, differs: bool) -> None:
    (fact,) = paid(given(INITIATED, OPENED), amount, currency)

    assert isinstance(fact, PaymentSucceeded)
    assert (fact.amount_minor, fact.currency, fact.amount_differs) == (amount, currency, differs)


def test_every_order_of_what_a_gateway_says_ends_the_same() -> None:
    def hear(payment: Payment, word: str) -> list[PaymentEvent]:
        match word:
            case "opened":
                return checkout.open_checkout(payment, "cs_1", NOW)
            case "declined":
                return checkout.decline(payment, "ch_1", "card_declined", None)
            case "processing":
                return settlement.process(payment, "cs_1", "pi_1")
            case "expired":
                return checkout.expire(payment, "closed")
            case "failed":
                return checkout.fail(payment, "no_funds", "the bank sent no money")
            case _:
                return paid(payment)

    for order in permutations(("opened", "declined", "processing", "expired", "failed", "paid")):
        payment = given(INITIATED)
        for word in (*order, *order):  # each is told twice
            payment = PAYMENTS.fold(hear(payment, word), payment) or payment
        assert (payment.status, payment.checkout_id) == (Status.SUCCEEDED, "cs_1"), order


def test_a_page_that_is_opened_twice_is_recorded_once() -> None:
    assert checkout.open_checkout(given(INITIATED, OPENED), "cs_1", NOW) == []


def test_a_second_page_for_one_payment_is_refused() -> None:
    with pytest.raises(CheckoutAlreadyOpened):
        checkout.open_checkout(given(INITIATED, OPENED), "cs_2", NOW)


def test_a_page_of_an_ended_payment_is_not_recorded() -> None:
    assert checkout.open_checkout(given(INITIATED, EXPIRED), "cs_1", NOW) == []


@pytest.mark.parametrize("ending", [EXPIRED, FAILED, CANCELED])
def test_what_ended_unpaid_is_not_opened_again(ending: PaymentEvent) -> None:
    with pytest.raises(PaymentEnded):
        checkout.check_openable(given(INITIATED, ending))


@pytest.mark.parametrize("history", [(INITIATED,), (INITIATED, UNCONFIRMED), (INITIATED, OPENED, SUCCEEDED)])
def test_what_is_open_or_paid_may_be_asked_for_again(history: tuple[PaymentEvent, ...]) -> None:
    checkout.check_openable(given(*history))


def test_only_a_payment_just_initiated_is_lost_track_of() -> None:
    assert checkout.lose_track(given(INITIATED), "timeout") == [UNCONFIRMED]
    assert checkout.lose_track(given(INITIATED, UNCONFIRMED), "timeout") == []
    assert checkout.lose_track(given(INITIATED, OPENED), "timeout") == []


def test_a_declined_attempt_is_recorded_once_whenever_word_of_it_comes() -> None:
    assert checkout.decline(given(INITIATED, OPENED), "ch_1", "card_declined", None) == [DECLINED]
    assert checkout.decline(given(INITIATED, OPENED, DECLINED), "ch_1", "card_declined", None) == []
    assert checkout.decline(given(INITIATED, OPENED, SUCCEEDED), "ch_1", "card_declined", None) == [DECLINED]
    assert given(INITIATED, OPENED, SUCCEEDED, DECLINED) == given(INITIATED, OPENED, DECLINED, SUCCEEDED)


def test_what_is_processing_does_not_expire() -> None:
    assert checkout.expire(given(INITIATED, OPENED, PROCESSING), "closed") == []


def test_processing_is_noted_once() -> None:
    assert settlement.process(given(INITIATED, OPENED), "cs_1", None) == [PROCESSING]
    assert settlement.process(given(INITIATED, OPENED, PROCESSING), "cs_1", None) == []
    assert settlement.process(given(INITIATED, OPENED, SUCCEEDED), "cs_1", None) == []


@pytest.mark.parametrize(
    ("history", "refusal"),
    [
        ((INITIATED,), CheckoutNotKnownYet),
        ((INITIATED, UNCONFIRMED), CheckoutNotKnownYet),
        ((INITIATED, OPENED, PROCESSING), PaymentNotCancelable),
        ((INITIATED, OPENED, EXPIRED), PaymentNotCancelable),
        ((INITIATED, OPENED, FAILED), PaymentNotCancelable),
        ((INITIATED, OPENED, SUCCEEDED), PaymentAlreadySucceeded),
    ],
)
def test_only_an_open_page_can_be_canceled(history: tuple[PaymentEvent, ...], refusal: type[DomainError]) -> None:
    with pytest.raises(refusal):
        checkout.check_cancelable(given(*history))


def test_the_expiry_that_a_cancel_causes_may_be_told_first() -> None:
    facts = checkout.cancel(given(INITIATED, OPENED, EXPIRED), "changed their mind")

    assert facts == [CANCELED]


def test_a_cancel_that_loses_against_the_money_is_refused() -> None:
    with pytest.raises(PaymentAlreadySucceeded):
        checkout.cancel(given(INITIATED, OPENED, SUCCEEDED), "changed their mind")


def test_asking_twice_to_cancel_is_harmless() -> None:
    assert checkout.cancel(given(INITIATED, OPENED, CANCELED), "again") == []
