"""Facts of metered usage. Stored for ever and published to Kafka: add fields, never rename them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecorded:
    """A customer used so much of a metered product. The gateway is still to be told."""

    usage_id: str
    project_id: str
    user_id: str
    customer_id: str
    subscription_id: str
    product_id: str
    price_id: str
    gateway: str
    gateway_subscription_id: str
    quantity: int
    used_at: datetime
    identifier: str | None  # the project's own, where it sent one


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported:
    """The gateway has counted it. It bills it with the period that it was used in."""

    usage_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRejected:
    """It will not be billed: the gateway refused it, or whether it was counted can be found out no more."""

    usage_id: str
    code: str
    reason: str


UsageEvent = UsageRecorded | UsageReported | UsageRejected
