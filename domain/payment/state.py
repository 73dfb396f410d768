"""A payment as its facts have made it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain.payment.contests import Dispute, DisputeStatus, evolve_dispute, is_disputed, most_pressing
from domain.payment.events import (
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
from domain.payment.returns import Refund, Refunded, RefundStatus, evolve_refund, refunded_of
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
    price_id: str
    payment_type: str
    amount_minor: int
    currency: str
    credits: int
    credit_type: str
    gateway: str
    initiated_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    subscription_id: str | None = None  # what it began, or what it pays for
    invoice_id: str | None = None  # where an invoice is all that there is to pay, and no page
    checkout_id: str | None = None
    expires_at: datetime | None = None
    gateway_payment_id: str | None = None
    failed_attempts: frozenset[str] = frozenset()
    refunds: Mapping[str, Refund] = field(default_factory=dict)  # by our id, in the order in which they became known
    disputes: Mapping[str, Dispute] = field(default_factory=dict)  # by the gateway's id, likewise

    @property
    def untraced(self) -> bool:
        """Whether there is money of which the gateway has not said under which id it took it."""
        return self.status is Status.SUCCEEDED and self.amount_minor > 0 and self.gateway_payment_id is None

    @property
    def refunded_minor(self) -> int:
        """What has gone back in refunds."""
        return sum(refund.amount_minor for refund in self.refunds.values() if refund.status is RefundStatus.SUCCEEDED)

    @property
    def reserved_minor(self) -> int:
        """What is set aside for refunds under way."""
        return sum(refund.amount_minor for refund in self.refunds.values() if refund.status.under_way)

    @property
    def refundable_minor(self) -> int:
        """What is left to give back."""
        if self.status is not Status.SUCCEEDED:
            return 0
        return max(0, self.amount_minor - self.refunded_minor - self.reserved_minor - self.lost_minor)

    @property
    def lost_minor(self) -> int:
        """What banks have taken back for good. A sum in another currency than the payment's counts as all of it."""
        lost = (dispute for dispute in self.disputes.values() if dispute.lost)
        return sum(each.amount_minor if each.currency == self.currency else self.amount_minor for each in lost)

    @property
    def credits_claimed(self) -> int:
        """How many of the credits bought were taken back with money that went, or should have been."""
        by_refunds = sum(refund.credits_claimed for refund in self.refunds.values())
        return by_refunds + sum(dispute.credits_claimed for dispute in self.disputes.values())

    @property
    def dispute_status(self) -> DisputeStatus | None:
        """That of its most pressing dispute; None where it was never disputed."""
        return most_pressing(dispute.status for dispute in self.disputes.values())

    @property
    def disputed(self) -> bool:
        """Whether somebody contests it, or has done so with success."""
        return is_disputed(self.dispute_status, self.lost_minor)

    @property
    def refunded(self) -> Refunded:
        return refunded_of(self.amount_minor, self.refunded_minor, self.reserved_minor)

    def refund_at_gateway(self, gateway_refund_id: str) -> Refund | None:
        """The refund that the gateway knows under this id."""
        found = (refund for refund in self.refunds.values() if refund.gateway_refund_id == gateway_refund_id)
        return next(found, None)


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
            return replace(
                _moved(payment, Status.PROCESSING),
                checkout_id=event.checkout_id,
                gateway_payment_id=event.gateway_payment_id or payment.gateway_payment_id,
            )
        case PaymentSucceeded():
            return replace(
                _moved(payment, Status.SUCCEEDED),
                amount_minor=event.amount_minor,
                currency=event.currency,
                checkout_id=event.checkout_id or None,
                gateway_payment_id=event.gateway_payment_id or payment.gateway_payment_id,
                subscription_id=event.subscription_id or payment.subscription_id,
            )
        case PaymentTraced():
            return replace(payment, gateway_payment_id=event.gateway_payment_id)
        case PaymentFailed():
            gateway_payment_id = event.gateway_payment_id or payment.gateway_payment_id
            return replace(_moved(payment, Status.FAILED), gateway_payment_id=gateway_payment_id)
        case PaymentCanceled():
            return _moved(payment, Status.CANCELED)
        case PaymentExpired():
            return _moved(payment, Status.EXPIRED)
        case PaymentUnconfirmed():
            return _moved(payment, Status.UNCONFIRMED)
        case (
            PaymentRefundRequested()
            | PaymentRefundPending()
            | PaymentRefunded()
            | PaymentRefundFailed()
            | PaymentRefundCanceled()
        ):
            refund = evolve_refund(payment.refunds.get(event.refund_id), event)
            return replace(payment, refunds={**payment.refunds, refund.refund_id: refund})
        case PaymentDisputeOpened() | PaymentDisputeUpdated() | PaymentDisputeClosed():
            dispute = evolve_dispute(payment.disputes.get(event.dispute_id), event)
            return replace(payment, disputes={**payment.disputes, dispute.dispute_id: dispute})
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
        price_id=event.price_id,
        payment_type=event.payment_type,
        amount_minor=event.amount_minor,
        currency=event.currency,
        credits=event.credits,
        credit_type=event.credit_type,
        gateway=event.gateway,
        initiated_at=event.initiated_at,
        metadata=event.metadata,
        subscription_id=event.subscription_id,
        invoice_id=event.invoice_id,
    )


def _moved(payment: Payment, status: Status) -> Payment:
    return replace(payment, status=status) if status.rank > payment.status.rank else payment


PAYMENTS: Kind[Payment, PaymentEvent] = Kind("payments", evolve)
