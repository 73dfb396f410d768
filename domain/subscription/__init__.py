"""The life of one subscription: what its gateway states, what its invoices come to, and how long access lasts."""

from domain.subscription.access import lapse
from domain.subscription.events import (
    Standing,
    SubscriptionCanceled,
    SubscriptionChangeRefused,
    SubscriptionChangeRequested,
    SubscriptionCreated,
    SubscriptionEvent,
    SubscriptionExpired,
    SubscriptionPaused,
    SubscriptionPaymentFailed,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionUpdated,
)
from domain.subscription.invoices import Invoice, Line
from domain.subscription.state import SUBSCRIPTIONS, Status, Subscription, Unpaid, subscription_id
from domain.subscription.statements import Stated, Verdict

__all__ = [
    "SUBSCRIPTIONS",
    "Invoice",
    "Line",
    "Standing",
    "Stated",
    "Status",
    "Subscription",
    "SubscriptionCanceled",
    "SubscriptionChangeRefused",
    "SubscriptionChangeRequested",
    "SubscriptionCreated",
    "SubscriptionEvent",
    "SubscriptionExpired",
    "SubscriptionPaused",
    "SubscriptionPaymentFailed",
    "SubscriptionRenewed",
    "SubscriptionResumed",
    "SubscriptionUpdated",
    "Unpaid",
    "Verdict",
    "lapse",
    "subscription_id",
]
