"""Facts of a payment. Stored for ever and published to Kafka: add fields, never rename them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentInitiated:
    """Somebody wants to pay, and this is what is expected of them. Nothing was asked of the gateway yet.

    Or an invoice of a subscription was paid: then these two say which.
    """

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
    subscription_id: str | None = None
    invoice_id: str | None = None


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
    """The gateway has the money. `amount_minor` is what it says; `amount_differs` flags that another sum was expected.

    `checkout_id` is empty where it was paid without a page: an invoice of a subscription.
    """

    payment_id: str
    user_id: str
    product_id: str
    amount_minor: int
    currency: str
    amount_differs: bool
    checkout_id: str
    gateway_payment_id: str | None = None
    gateway_subscription_id: str | None = None
    subscription_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTraced:
    """Under which id the gateway took the money: learned after `PaymentSucceeded`, which came without it."""

    payment_id: str
    gateway_payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed:
    """It will not be paid: the gateway refused to open a checkout, or the bank sent no money."""

    payment_id: str
    code: str
    reason: str
    gateway_payment_id: str | None = None


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


# Money that goes back. `refund_id` is ours, `gateway_refund_id` the gateway's. Each fact carries what then has gone back in
# all (`refunded_minor_total`) and what is set aside for refunds under way (`reserved_minor_total`).


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefundRequested:
    """The project wants money to go back to its customer. It is set aside; the gateway was not asked yet."""

    payment_id: str
    refund_id: str
    amount_minor: int
    currency: str
    refunded_minor_total: int
    reserved_minor_total: int
    reason: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefundPending:
    """The gateway has taken a refund on, at our asking or at somebody's in its dashboard. The money is not back yet."""

    payment_id: str
    refund_id: str
    gateway_refund_id: str
    amount_minor: int
    currency: str
    refunded_minor_total: int
    reserved_minor_total: int
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefunded:
    """Money went back to the customer, in part or in full.

    Of what it had bought, `credits_revoked` were taken back as the policy `clawback` says; `credits_shortfall` could not be.
    """

    payment_id: str
    refund_id: str
    gateway_refund_id: str
    amount_minor: int
    currency: str
    refunded_minor_total: int
    reserved_minor_total: int
    credits_revoked: int
    credits_shortfall: int
    clawback: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefundFailed:
    """A refund came to nothing, perhaps after it had succeeded (`was_refunded`): the customer does not have the money.

    `credits_restored` are the customer's again. Without a `gateway_refund_id`, the gateway never made one.
    """

    payment_id: str
    refund_id: str
    amount_minor: int
    currency: str
    refunded_minor_total: int
    reserved_minor_total: int
    code: str
    was_refunded: bool
    credits_restored: int
    gateway_refund_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefundCanceled:
    """A refund was withdrawn at the gateway before any money went."""

    payment_id: str
    refund_id: str
    gateway_refund_id: str
    amount_minor: int
    currency: str
    refunded_minor_total: int
    reserved_minor_total: int
    reason: str | None = None


RefundEvent = (
    PaymentRefundRequested | PaymentRefundPending | PaymentRefunded | PaymentRefundFailed | PaymentRefundCanceled
)

# Disputes. `dispute_id` is the gateway's. `status` is that of this dispute; each fact carries what the payment then is in all:
# `dispute_status` (of its most pressing dispute) and what is lost to disputes (`lost_minor_total`).


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDisputeOpened:
    """The customer's bank takes the money back, or asks first (`warning_…`). What it bought in credits is frozen.

    The gateway wants to be told why the payment was right until `evidence_due_by`. `refundable`: refunding it may end this.
    """

    payment_id: str
    dispute_id: str
    status: str
    amount_minor: int
    currency: str
    reason: str
    refundable: bool
    opened_at: datetime
    dispute_status: str
    lost_minor_total: int
    evidence_due_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDisputeUpdated:
    """A dispute stands otherwise than before, and is still open."""

    payment_id: str
    dispute_id: str
    status: str
    amount_minor: int
    currency: str
    refundable: bool
    dispute_status: str
    lost_minor_total: int
    evidence_due_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDisputeClosed:
    """A dispute has ended: `won`, `lost`, `warning_closed`, `prevented`, or `charge_refunded`. The freeze is lifted.

    Where it was lost, `credits_revoked` were taken back as the policy `clawback` says, and `credits_shortfall` could not be.
    Where a loss was taken back, `credits_restored` are the customer's again.
    """

    payment_id: str
    dispute_id: str
    status: str
    amount_minor: int
    currency: str
    refundable: bool
    dispute_status: str
    lost_minor_total: int
    credits_revoked: int
    credits_shortfall: int
    credits_restored: int
    clawback: str
    evidence_due_by: datetime | None = None


DisputeEvent = PaymentDisputeOpened | PaymentDisputeUpdated | PaymentDisputeClosed

PaymentEvent = (
    PaymentInitiated
    | PaymentCheckoutOpened
    | PaymentAttemptFailed
    | PaymentProcessing
    | PaymentSucceeded
    | PaymentTraced
    | PaymentFailed
    | PaymentCanceled
    | PaymentExpired
    | PaymentUnconfirmed
    | RefundEvent
    | DisputeEvent
)
