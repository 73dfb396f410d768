"""Subscriptions, as they are shown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from domain.subscription import Status

StatusName = Literal[
    "incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "expired"
]
assert {status.value for status in Status} == set(StatusName.__args__)  # type: ignore[attr-defined]


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
    started_at: datetime


class SubscriptionsAnswer(BaseModel):
    """What a customer is or was subscribed to, the newest first."""

    user_id: str
    subscriptions: list[SubscriptionAnswer]
