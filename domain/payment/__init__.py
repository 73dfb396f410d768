"""The life of one payment: what may happen to it, and what then did."""

from domain.payment.contests import Dispute, DisputeStatus
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
    PaymentUnconfirmed,
)
from domain.payment.returns import Refund, Refunded, RefundStatus
from domain.payment.state import PAYMENTS, Payment, Status

__all__ = [
    "PAYMENTS",
    "Dispute",
    "DisputeStatus",
    "Payment",
    "PaymentAttemptFailed",
    "PaymentCanceled",
    "PaymentCheckoutOpened",
    "PaymentDisputeClosed",
    "PaymentDisputeOpened",
    "PaymentDisputeUpdated",
    "PaymentEvent",
    "PaymentExpired",
    "PaymentFailed",
    "PaymentInitiated",
    "PaymentProcessing",
    "PaymentRefundCanceled",
    "PaymentRefundFailed",
    "PaymentRefundPending",
    "PaymentRefundRequested",
    "PaymentRefunded",
    "PaymentSucceeded",
    "PaymentUnconfirmed",
    "Refund",
    "RefundStatus",
    "Refunded",
    "Status",
]
