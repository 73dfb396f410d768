"""A payment as its facts have made it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain.payment.events import (
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
)
from domain.streams import Kind


class Status(StrEnum):
    INITIATED = "initiated"
    UNCONFIRMED = "unconfirmed"
    CHECKOUT_OPENED = "checkout_opened"
    PROCESSING = "processing"
    CANCELED = "canceled"
    EXPIRED = "expired"
    FAILED = "failed"
    SUCCEEDED = "succeeded"

    @property
    def rank(self) -> int:
        """How far along: a payment never goes back. A proof of payment outranks everything, for money wins."""
        return _RANKS[self]

    @property
    def ended(self) -> bool:
        """No more is expected to happen, though money that comes all the same is taken."""
        return self.rank >= Status.EXPIRED.rank


_RANKS = {
    Status.INITIATED: 0,
    Status.UNCONFIRMED: 1,
    Status.CHECKOUT_OPENED: 2,
    Status.PROCESSING: 3,
    Status.EXPIRED: 4,
    Status.FAILED: 4,
    Status.CANCELED: 5,  # Above expired: closing the page to cancel makes the gateway say "expired", before or after us.
    Status.SUCCEEDED: 6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    payment_id: str
    project_id: str
    status: Status
    user_id: str
    customer_id: str
    product_id: str
    payment_type: str
    amount_minor: int
    currency: str
    credits: int
    credit_type: str
    gateway: str
    initiated_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    checkout_id: str | None = None
    expires_at: datetime | None = None
    failed_attempts: frozenset[str] = frozenset()


def evolve(payment: Payment | None, event: PaymentEvent) -> Payment:
    """Apply one fact. Never refuses: what happened, happened."""
    if isinstance(event, PaymentInitiated):
        return _initiated(event)
    assert payment is not None, "a payment starts with payment.initiated"
    match event:
        case PaymentCheckoutOpened():
            opened = _moved(payment, Status.CHECKOUT_OPENED)
            return replace(opened, checkout_id=event.checkout_id, expires_at=event.expires_at)
        case PaymentAttemptFailed():
            return replace(payment, failed_attempts=payment.failed_attempts | {event.attempt_id})
        case PaymentProcessing():
            return replace(_moved(payment, Status.PROCESSING), checkout_id=event.checkout_id)
        case PaymentSucceeded():
            return replace(
                _moved(payment, Status.SUCCEEDED),
                amount_minor=event.amount_minor,
                currency=event.currency,
                checkout_id=event.checkout_id,
            )
        case PaymentFailed():
            return _moved(payment, Status.FAILED)
        case PaymentCanceled():
            return _moved(payment, Status.CANCELED)
        case PaymentExpired():
            return _moved(payment, Status.EXPIRED)
        case PaymentUnconfirmed():
            return _moved(payment, Status.UNCONFIRMED)
        case _:
            assert_never(event)


def _initiated(event: PaymentInitiated) -> Payment:
    return Payment(
        payment_id=event.payment_id,
        project_id=event.project_id,
        status=Status.INITIATED,
        user_id=event.user_id,
        customer_id=event.customer_id,
        product_id=event.product_id,
        payment_type=event.payment_type,
        amount_minor=event.amount_minor,
        currency=event.currency,
        credits=event.credits,
        credit_type=event.credit_type,
        gateway=event.gateway,
        initiated_at=event.initiated_at,
        metadata=event.metadata,
    )


def _moved(payment: Payment, status: Status) -> Payment:
    return replace(payment, status=status) if status.rank > payment.status.rank else payment


PAYMENTS: Kind[Payment, PaymentEvent] = Kind("payments", evolve)
