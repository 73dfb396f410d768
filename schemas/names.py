"""The one table of event types: stable names on the wire, the domain's classes, and the logical topic of each."""

from collections.abc import Mapping
from functools import cache

from domain.customer import events as customer
from domain.payment import events as payment
from domain.project import events as project
from domain.subscription import events as subscription
from domain.usage import events as usage
from domain.wallet import events as wallet

EVENTS: Mapping[str, type] = {
    "payment.initiated": payment.PaymentInitiated,
    "payment.checkout_opened": payment.PaymentCheckoutOpened,
    "payment.attempt_failed": payment.PaymentAttemptFailed,
    "payment.processing": payment.PaymentProcessing,
    "payment.succeeded": payment.PaymentSucceeded,
    "payment.traced": payment.PaymentTraced,
    "payment.failed": payment.PaymentFailed,
    "payment.canceled": payment.PaymentCanceled,
    "payment.expired": payment.PaymentExpired,
    "payment.unconfirmed": payment.PaymentUnconfirmed,
    "payment.refund_requested": payment.PaymentRefundRequested,
    "payment.refund_pending": payment.PaymentRefundPending,
    "payment.refunded": payment.PaymentRefunded,
    "payment.refund_failed": payment.PaymentRefundFailed,
    "payment.refund_canceled": payment.PaymentRefundCanceled,
    "payment.dispute_opened": payment.PaymentDisputeOpened,
    "payment.dispute_updated": payment.PaymentDisputeUpdated,
    "payment.dispute_closed": payment.PaymentDisputeClosed,
    "credits.purchased": wallet.CreditsPurchased,
    "credits.granted": wallet.CreditsGranted,
    "credits.consumed": wallet.CreditsConsumed,
    "credits.held": wallet.CreditsHeld,
    "credits.hold_captured": wallet.CreditsHoldCaptured,
    "credits.hold_released": wallet.CreditsHoldReleased,
    "credits.expired": wallet.CreditsExpired,
    "credits.revoked": wallet.CreditsRevoked,
    "credits.restored": wallet.CreditsRestored,
    "credits.frozen": wallet.CreditsFrozen,
    "credits.unfrozen": wallet.CreditsUnfrozen,
    "subscription.created": subscription.SubscriptionCreated,
    "subscription.updated": subscription.SubscriptionUpdated,
    "subscription.renewed": subscription.SubscriptionRenewed,
    "subscription.payment_failed": subscription.SubscriptionPaymentFailed,
    "subscription.paused": subscription.SubscriptionPaused,
    "subscription.resumed": subscription.SubscriptionResumed,
    "subscription.canceled": subscription.SubscriptionCanceled,
    "subscription.expired": subscription.SubscriptionExpired,
    "subscription.change_requested": subscription.SubscriptionChangeRequested,
    "subscription.change_refused": subscription.SubscriptionChangeRefused,
    "usage.recorded": usage.UsageRecorded,
    "usage.reported": usage.UsageReported,
    "usage.rejected": usage.UsageRejected,
    "project.registered": project.ProjectRegistered,
    "project.updated": project.ProjectUpdated,
    "project.product_added": project.ProductAdded,
    "project.product_changed": project.ProductChanged,
    "project.key_issued": project.KeyIssued,
    "project.key_revoked": project.KeyRevoked,
    "customer.registered": customer.CustomerRegistered,
    "customer.updated": customer.CustomerUpdated,
    "customer.suspended": customer.CustomerSuspended,
    "customer.reinstated": customer.CustomerReinstated,
    "customer.erased": customer.CustomerErased,
}

TOPICS: Mapping[str, str] = {
    "customer": "customers",
    "payment": "payments",
    "subscription": "subscriptions",
    "credits": "credits",
    "project": "projects",
    "usage": "usage",
}

_NAMES = {cls: name for name, cls in EVENTS.items()}


def name_of(event: object) -> str:
    """The stable name of an event's type: `payment.succeeded`. KeyError where the table lacks it."""
    return _NAMES[type(event)]


@cache
def topic_of(event_type: str) -> str:
    """The logical topic on which an event type is published: `payments` for `payment.succeeded`."""
    return TOPICS[event_type.partition(".")[0]]
