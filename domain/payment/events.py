"""Facts of a payment. Stored for ever and published to Kafka: add fields, never rename them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentInitiated:
    """Somebody wants to pay, and this is what is expected of them. Nothing was asked of the gateway yet."""

    payment_id: str
    project_id: str
    user_id: str
    customer_id: str
    product_id: str
    product_type: str
    price_id: str
    quantity: int
    payment_type: str
    amount_minor: int
    currency: str
    credits: int
    credit_type: str
    gateway: str
    initiated_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCheckoutOpened:
    """The gateway holds a page open on which the customer can pay until `expires_at`."""

    payment_id: str
    checkout_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAttemptFailed:
    """The customer tried and was declined. The page is still open: they may try again."""

    payment_id: str
    attempt_id: str
    code: str
    decline_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentProcessing:
    """The customer has done their part; the money comes later, or not (bank debits take days)."""

    payment_id: str
    checkout_id: str
    gateway_payment_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSucceeded:
    """The gateway has the money. `amount_minor` is what it says; `amount_differs` flags that another sum was expected."""

    payment_id: str
    user_id: str
    product_id: str
    amount_minor: int
    currency: str
    amount_differs: bool
    checkout_id: str
    gateway_payment_id: str | None = None
    gateway_subscription_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed:
    """It will not be paid: the gateway refused to open a checkout, or the bank sent no money."""

    payment_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCanceled:
    """The project withdrew it, and the gateway closed the page."""

    payment_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentExpired:
    """Nobody paid in time, or no checkout ever came to be."""

    payment_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentUnconfirmed:
    """The gateway's answer is unknown: it may or may not hold a page open. The reconciler will find out."""

    payment_id: str
    reason: str


PaymentEvent = (
    PaymentInitiated
    | PaymentCheckoutOpened
    | PaymentAttemptFailed
    | PaymentProcessing
    | PaymentSucceeded
    | PaymentFailed
    | PaymentCanceled
    | PaymentExpired
    | PaymentUnconfirmed
)
