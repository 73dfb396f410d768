"""One of each that tests speak of: products of a shop, and the facts of a payment and of a purchase of credits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.payment import (
    PaymentAttemptFailed,
    PaymentCanceled,
    PaymentCheckoutOpened,
    PaymentDisputeClosed,
    PaymentDisputeOpened,
    PaymentDisputeUpdated,
    PaymentEvent,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentProcessing,
    PaymentRefundCanceled,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundPending,
    PaymentRefundRequested,
    PaymentSucceeded,
    PaymentTraced,
    PaymentUnconfirmed,
)
from domain.payment.events import DisputeEvent, RefundEvent
from domain.product import Price, Product, ProductType
from domain.wallet import CreditsPurchased, wallet_id

PROJECT = "prj_00000000000000000000000000000001"
BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)

# Products, at prices that the look-alike knows.

EBOOK = Product(
    product_id="ebook",
    name="E-book",
    type=ProductType.ONE_TIME,
    price=Price(price_id="price_ebook", amount_minor=29_99, currency="usd", interval=None),
    recurring=False,
    credits=0,
    credit_type="",
    permissions=(),
)
PACK = replace(
    EBOOK,
    product_id="pack",
    name="1,000 credits",
    type=ProductType.API_CREDITS,
    price=Price(price_id="price_credits_1000", amount_minor=10_00, currency="usd", interval=None),
    credits=1000,
    credit_type="api",
)
PRO = replace(
    EBOOK,
    product_id="pro",
    name="Pro",
    type=ProductType.PRO_FEATURES,
    price=Price(price_id="price_pro_monthly", amount_minor=20_00, currency="usd", interval="month"),
    recurring=True,
    permissions=("export",),
)

# Facts. What a test does not name is of no matter to it.


def initiated(payment_id: str = "pay_1", *, user_id: str = "u1", **changes: Any) -> PaymentInitiated:
    """Somebody wants to pay 29.99 USD for an e-book."""
    usual = PaymentInitiated(
        payment_id=payment_id,
        project_id=PROJECT,
        user_id=user_id,
        customer_id=f"cus_{user_id}",
        product_id=EBOOK.product_id,
        product_type=EBOOK.type.value,
        price_id=EBOOK.price.price_id,
        quantity=1,
        payment_type="one_time",
        amount_minor=29_99,
        currency="usd",
        credits=0,
        credit_type="",
        gateway="stripe",
        initiated_at=BEGINNING,
        metadata={"order": payment_id},
    )
    return replace(usual, **changes)


def opened(payment_id: str = "pay_1", **changes: Any) -> PaymentCheckoutOpened:
    usual = PaymentCheckoutOpened(
        payment_id=payment_id, checkout_id=f"cs_{payment_id}", expires_at=BEGINNING + timedelta(hours=24)
    )
    return replace(usual, **changes)


def succeeded(payment_id: str = "pay_1", *, amount_minor: int = 29_99, **changes: Any) -> PaymentSucceeded:
    """The e-book is paid for; with another amount, not as it was ordered."""
    usual = PaymentSucceeded(
        payment_id=payment_id,
        user_id="u1",
        product_id=EBOOK.product_id,
        amount_minor=amount_minor,
        currency="usd",
        amount_differs=amount_minor != 29_99,
        checkout_id=f"cs_{payment_id}",
        gateway_payment_id="pi_1",
    )
    return replace(usual, **changes)


def later_events(payment_id: str) -> Sequence[PaymentEvent]:
    """One of each event that may follow `payment.initiated`."""
    return [
        opened(payment_id),
        PaymentAttemptFailed(payment_id=payment_id, attempt_id="a1", code="card_declined", decline_code="do_not_honor"),
        PaymentProcessing(payment_id=payment_id, checkout_id=f"cs_{payment_id}", gateway_payment_id="pi_0"),
        PaymentCanceled(payment_id=payment_id, reason="asked"),
        PaymentExpired(payment_id=payment_id, reason="time"),
        PaymentFailed(payment_id=payment_id, code="bank_refused", reason="no money"),
        PaymentUnconfirmed(payment_id=payment_id, reason="timeout"),
        succeeded(payment_id, gateway_payment_id=None),
        succeeded(payment_id, amount_minor=30_00),
        PaymentTraced(payment_id=payment_id, gateway_payment_id="pi_1"),
        *refund_events(payment_id),
    ]


def dispute_events(payment_id: str = "pay_1", dispute_id: str = "du_1") -> Sequence[DisputeEvent]:
    """One of each event of a dispute of all of 29.99 USD, which is lost."""
    known: dict[str, Any] = {
        "payment_id": payment_id,
        "dispute_id": dispute_id,
        "amount_minor": 29_99,
        "currency": "usd",
        "refundable": False,
    }
    return [
        PaymentDisputeOpened(
            **known,
            status="needs_response",
            reason="fraudulent",
            opened_at=BEGINNING,
            dispute_status="needs_response",
            lost_minor_total=0,
            evidence_due_by=BEGINNING + timedelta(days=7),
        ),
        PaymentDisputeUpdated(
            **known,
            status="under_review",
            dispute_status="under_review",
            lost_minor_total=0,
            evidence_due_by=BEGINNING + timedelta(days=7),
        ),
        PaymentDisputeClosed(
            **known,
            status="lost",
            dispute_status="lost",
            lost_minor_total=29_99,
            credits_revoked=900,
            credits_shortfall=100,
            credits_restored=0,
            clawback="remaining_only",
        ),
    ]


def refund_events(payment_id: str = "pay_1", refund_id: str = "rfd_1") -> Sequence[RefundEvent]:
    """One of each event of a refund of 5.00 USD, as if there were no other."""
    known: dict[str, Any] = {
        "payment_id": payment_id,
        "refund_id": refund_id,
        "amount_minor": 5_00,
        "currency": "usd",
        "refunded_minor_total": 0,
        "reserved_minor_total": 0,
    }
    under_way = {**known, "reserved_minor_total": 5_00}
    there: dict[str, Any] = {"gateway_refund_id": f"re_{refund_id}", "reason": "duplicate"}
    return [
        PaymentRefundRequested(**under_way, reason="sent twice", metadata={"ticket": "7"}),
        PaymentRefundPending(**under_way, **there),
        PaymentRefunded(
            **{**known, "refunded_minor_total": 5_00},
            **there,
            credits_revoked=150,
            credits_shortfall=16,
            clawback="remaining_only",
        ),
        PaymentRefundFailed(**known, **there, code="declined", was_refunded=True, credits_restored=150),
        PaymentRefundCanceled(**known, **there),
    ]


def purchased(
    payment_id: str = "pay_1", *, user_id: str = "u1", amount: int, balance: int, **changes: Any
) -> CreditsPurchased:
    """A payment bought credits; the balance is what the wallet holds with them."""
    usual = CreditsPurchased(
        wallet_id=wallet_id(PROJECT, user_id, "api"),
        user_id=user_id,
        credit_type="api",
        entry_id=f"ent_{payment_id}",
        amount=amount,
        balance=balance,
        payment_id=payment_id,
        product_id=PACK.product_id,
    )
    return replace(usual, **changes)
