"""What a gateway tells us, in our words. A notice is hearsay, not a fact: a command decides what it means."""

from dataclasses import dataclass
from datetime import datetime

from domain.payment import DisputeStatus, RefundStatus
from domain.subscription import Invoice, Stated


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutPaid:
    """The money is there (or none was due). The authoritative word for a payment's success."""

    checkout_id: str
    payment_id: str | None  # what the gateway was told: a hint, the store decides
    amount_minor: int
    currency: str
    gateway_payment_id: str | None
    gateway_subscription_id: str | None
    invoice_id: str | None = None  # of the subscription that it began


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutProcessing:
    """The customer is done, the bank is not."""

    checkout_id: str
    payment_id: str | None
    gateway_payment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutFailed:
    """The bank sent no money after all."""

    checkout_id: str
    payment_id: str | None
    code: str
    reason: str
    gateway_payment_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutExpired:
    """The page was closed unpaid."""

    checkout_id: str
    payment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDeclined:
    """A try to pay failed while the page stays open. It names no checkout, only what the gateway was told."""

    payment_id: str | None
    attempt_id: str
    code: str
    decline_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundUpdated:
    """How a refund stands at the gateway, whoever asked for it. The authoritative word on money that goes back."""

    gateway_refund_id: str
    gateway_payment_id: str | None
    charge_id: str | None
    payment_id: str | None  # what the gateway was told: hints, the store decides
    refund_id: str | None
    status: RefundStatus  # never `requested`: the gateway has it
    amount_minor: int
    currency: str
    reason: str | None
    failure_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRefunded:
    """How much of a charge has gone back or is about to, in all. By which refunds, it does not say."""

    charge_id: str
    gateway_payment_id: str | None
    payment_id: str | None
    refunded_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeUpdated:
    """How a dispute stood when the gateway wrote this. A later word may tell of an earlier moment."""

    dispute_id: str
    gateway_payment_id: str | None
    charge_id: str | None
    payment_id: str | None  # a hint, where the gateway has one
    status: DisputeStatus
    amount_minor: int
    currency: str
    reason: str
    refundable: bool
    opened_at: datetime
    evidence_due_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStated:
    """How a subscription stood when the gateway said so, to the second."""

    payment_id: str | None  # of the checkout in which it began: a hint, as above
    stated: Stated
    stated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePaid:
    """An invoice of a subscription is paid (or nothing was due). The authoritative word for each period.

    `gateway_payment_id` is None where nothing was charged, and where the word did not come with it: then the gateway knows.
    """

    gateway_subscription_id: str
    payment_id: str | None
    invoice: Invoice
    gateway_payment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFailed:
    """An attempt to have an invoice of a subscription paid failed. `attempt` counts from 1.

    `awaits_customer`: their bank wants it confirmed. False where that was not said along with it.
    """

    gateway_subscription_id: str
    payment_id: str | None
    invoice: Invoice
    attempt: int
    retry_at: datetime | None
    awaits_customer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceUnconfirmed:
    """The customer's bank wanted an invoice's payment confirmed. Whether it still does is to be asked."""

    gateway_subscription_id: str
    payment_id: str | None
    invoice_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceClosed:
    """An invoice of a subscription is not due any more, unpaid: voided, or written off."""

    gateway_subscription_id: str
    payment_id: str | None
    invoice_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Irrelevant:
    """Nothing that we act on; kept all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something that we act on, in a shape that this version does not know: it waits for one that does, and alerts."""

    reason: str


CheckoutNotice = CheckoutPaid | CheckoutProcessing | CheckoutFailed | CheckoutExpired | AttemptDeclined
InvoiceNotice = InvoicePaid | InvoiceFailed | InvoiceUnconfirmed | InvoiceClosed
RefundNotice = RefundUpdated | ChargeRefunded

Notice = CheckoutNotice | RefundNotice | DisputeUpdated | SubscriptionStated | InvoiceNotice | Irrelevant | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook: what came, under which id of the gateway's, and what it says.

    (account, livemode, event_id) names it: the same three come again when the gateway delivers again.
    """

    account: str
    livemode: bool
    event_id: str
    event_type: str
    api_version: str
    created_at: datetime
    payment_id: str | None  # whatever the object says of its payment, acted upon or not: whose key seals the body
    gateway_payment_id: str | None  # the same, in the gateway's words
    body: bytes
    notice: Notice
