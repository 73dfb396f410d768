"""Subscriptions, as they are changed and shown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.models.fields import ProductId, Reason, RequestModel
from domain.subscription import Status
from domain.subscription.changes import Proration

StatusName = Literal[
    "incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "expired"
]
assert {status.value for status in Status} == set(StatusName.__args__)  # type: ignore[attr-defined]


ProrationName = Literal["none", "next_invoice", "invoice_now"]
assert {proration.value for proration in Proration} == set(ProrationName.__args__)  # type: ignore[attr-defined]


class SubscriptionCancelRequest(RequestModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"at": "period_end", "reason": "too expensive"}]})

    at: Annotated[
        Literal["period_end", "now"],
        Field(description="With the period that is paid for, until which access goes on, or at once."),
    ] = "period_end"
    reason: Reason = "canceled by the project"


class SubscriptionResumeRequest(RequestModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "changed their mind"}]})

    reason: Reason = "resumed by the project"


class SubscriptionPauseRequest(RequestModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "on leave"}]})

    reason: Reason = "paused by the project"


class SubscriptionChangeRequest(RequestModel):
    """Another product, or another quantity, or both."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"product_id": "team", "proration": "invoice_now"}]})

    product_id: Annotated[ProductId | None, Field(description="A product of the catalogue that recurs.")] = None
    quantity: Annotated[int | None, Field(ge=1, le=10_000)] = None
    proration: Annotated[
        ProrationName,
        Field(
            description="What becomes of the rest of a period that was paid for at another price: `next_invoice` makes up"
            " for it with the next period, `invoice_now` at once, `none` never."
        ),
    ] = "next_invoice"
    reason: Reason = "changed by the project"

    @model_validator(mode="after")
    def _changes_something(self) -> "SubscriptionChangeRequest":
        if self.product_id is None and self.quantity is None:
            raise PydanticCustomError("product_or_quantity", "Send `product_id`, `quantity`, or both.")
        return self


class SubscriptionChangedAnswer(BaseModel):
    """How it stands now. With outcome `unconfirmed` that may still be from before: send the same request again."""

    subscription_id: str
    outcome: Literal["done", "unconfirmed"]
    status: StatusName
    product_id: str
    quantity: int
    amount: Annotated[int, Field(description="For one period and all units, in minor units; 0 where usage decides.")]
    currency: str
    current_period_end: datetime
    cancel_at: datetime | None
    access_until: datetime | None


class SubscriptionAnswer(BaseModel):
    """One subscription as it stands."""

    subscription_id: str
    product_id: str
    status: StatusName
    current_period_start: datetime
    current_period_end: datetime
    payment_type: Literal["subscription"]
    payment_id: Annotated[str, Field(description="The payment of the checkout in which it began.")]
    price_id: str
    quantity: int
    amount: Annotated[int, Field(description="For one period and all units, in minor units; 0 where usage decides.")]
    currency: str
    interval: Annotated[str, Field(description="day, week, month or year.")]
    interval_count: Annotated[int, Field(description="Paid every so many intervals.")]
    trial_end: datetime | None
    cancel_at: Annotated[datetime | None, Field(description="When it will end, once it was canceled.")]
    ended_at: datetime | None
    end_reason: Annotated[
        str | None,
        Field(description="cancellation_requested, payment_failed, payment_disputed, never_paid or grace_ended."),
    ]
    access_until: Annotated[
        datetime | None,
        Field(description="When access ends: with the subscription, or a grace period after what was paid for."),
    ]
    failed_attempts: Annotated[int, Field(description="How often its newest unpaid invoice was tried in vain.")]
    next_attempt_at: Annotated[datetime | None, Field(description="When that is tried again.")]
    action_required: Annotated[
        bool,
        Field(
            description="Its newest unpaid invoice waits for the customer, whose bank wants the payment confirmed (3-D Secure)."
            " GET …/payment_page says where they can."
        ),
    ]
    further_price_ids: Annotated[
        list[str],
        Field(
            description="Prices of items beside the product, added in the gateway's dashboard. They are charged with it;"
            " product, quantity, amount and credits here are of the product alone."
        ),
    ]
    started_at: datetime


class PaymentPageAnswer(BaseModel):
    """Where a customer can pay what they owe for a subscription, with another card or by confirming the payment."""

    subscription_id: str
    invoice_id: str
    action_required: bool
    url: Annotated[str, Field(description="The gateway's page. Whoever has it can pay: give it to the customer alone.")]


class SubscriptionsAnswer(BaseModel):
    """What a customer is or was subscribed to, the newest first."""

    user_id: str
    subscriptions: list[SubscriptionAnswer]
