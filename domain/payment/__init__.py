"""The life of one payment: what may happen to it, and what then did."""

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
from domain.payment.state import PAYMENTS, Payment, Status

__all__ = [
    "PAYMENTS",
    "Payment",
    "PaymentAttemptFailed",
    "PaymentCanceled",
    "PaymentCheckoutOpened",
    "PaymentEvent",
    "PaymentExpired",
    "PaymentFailed",
    "PaymentInitiated",
    "PaymentProcessing",
    "PaymentSucceeded",
    "PaymentUnconfirmed",
    "Status",
]
