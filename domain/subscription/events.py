"""Facts of a subscription. Stored for ever and published to Kafka: add fields, never rename them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a subscription stands after the fact that carries this: every fact has it whole, so the last one says all.

    `amount_minor` is for one period and all units; 0 where usage decides. `status` is ours, `stated_status` the gateway's
    own word for it: they differ once a grace period is over. `action_required`: the newest unpaid invoice waits for the
    customer to confirm it with their bank. `further_price_ids` are of items beside the product, which bring nothing here.
    `stated_at` is the gateway's time of the newest statement
    that this rests on; where the gateway was `asked` instead, it may have answered of later changes.
    """

    subscription_id: str
    user_id: str
    product_id: str
    price_id: str
    quantity: int
    amount_minor: int
    currency: str
    interval: str
    interval_count: int
    status: str
    stated_status: str
    current_period_start: datetime
    current_period_end: datetime
    trial_end: datetime | None = None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    access_until: datetime | None = None
    failed_attempts: int = 0
    next_attempt_at: datetime | None = None
    stated_at: datetime
    asked: bool
    action_required: bool = False
    further_price_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCreated(Standing):
    """A checkout led to a subscription. `payment_id` is the checkout's payment, which paid for the first period."""

    project_id: str
    customer_id: str
    gateway: str
    gateway_subscription_id: str
    payment_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionUpdated(Standing):
    """The gateway stated it anew. `changed` names what differs; nothing where it is only younger.

    `closed_invoice_id` is an invoice that is no longer due, voided or written off.
    """

    changed: tuple[str, ...]
    closed_invoice_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRenewed(Standing):
    """One of its invoices was paid, other than the first, which is the checkout's payment.

    `payment_id` is the invoice's own payment; None where nothing was charged for it. `billing_reason` is the gateway's:
    subscription_cycle for a new period, subscription_update for a change in the midst of one.
    """

    invoice_id: str
    payment_id: str | None
    billing_reason: str
    paid_minor: int
    period_start: datetime
    period_end: datetime
    credits: int
    credit_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPaymentFailed(Standing):
    """An attempt to have an invoice paid failed. `attempt` counts from 1; it is tried again at `retry_at`, if ever.

    Told once more of the same attempt, where it turns out that its customer has to confirm it: then `awaits_customer`.
    """

    invoice_id: str
    attempt: int
    retry_at: datetime | None = None
    due_minor: int
    period_start: datetime
    awaits_customer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPaused(Standing):
    """Nothing is charged until it is resumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionResumed(Standing):
    """It goes on: a pause ended, its cancellation was taken back, or what was owed was paid after the grace period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionCanceled(Standing):
    """It will end at `cancel_at`, and runs until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionExpired(Standing):
    """It is over: access ends at `access_until`. Where only the grace period is over, it may still be paid, and resume.

    `end_reason` is the gateway's (cancellation_requested, payment_failed, payment_disputed), never_paid, or grace_ended.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChangeRequested(Standing):
    """The project asked for a change; the gateway has not answered yet. What comes of it is a fact of its own.

    `action` is cancel, cancel_at_period_end, pause, resume or change; the last three fields are of a change.
    """

    change_id: str
    action: str
    reason: str
    wanted_product_id: str | None = None
    wanted_quantity: int | None = None
    proration: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChangeRefused(Standing):
    """The gateway did not make a change that was asked for. `code` is its reason, in its own word."""

    change_id: str
    code: str


SubscriptionEvent = (
    SubscriptionCreated
    | SubscriptionUpdated
    | SubscriptionRenewed
    | SubscriptionPaymentFailed
    | SubscriptionPaused
    | SubscriptionResumed
    | SubscriptionCanceled
    | SubscriptionExpired
    | SubscriptionChangeRequested
    | SubscriptionChangeRefused
)
