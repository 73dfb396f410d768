"""Which outside ids a fact names, so that what the outside says of them finds its stream."""

from collections.abc import Iterator
from typing import NamedTuple

from domain.customer import customer_id
from domain.payment.events import (
    PaymentCheckoutOpened,
    PaymentDisputeOpened,
    PaymentFailed,
    PaymentProcessing,
    PaymentRefundCanceled,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundPending,
    PaymentSucceeded,
    PaymentTraced,
)
from domain.subscription.events import SubscriptionCreated
from domain.wallet.events import CreditsGranted, CreditsPurchased


class Ref(NamedTuple):
    """An outside id, by the kind of thing it names: `("checkout", "cs_…")`."""

    kind: str
    value: str


def owned(stream_id: str, event: object, project_id: str) -> Iterator[Ref]:
    """By which everything of a customer is found that outlives a payment: `("owned", "cus_…/wal_…")`."""
    if isinstance(event, CreditsPurchased | CreditsGranted | SubscriptionCreated):
        yield Ref("owned", f"{customer_id(project_id, event.user_id)}/{stream_id}")


def refs(event: object) -> Iterator[Ref]:
    """The gateway's ids in this event, as far as they are known: of its checkout, payment, refund, dispute, subscription."""
    match event:
        case PaymentCheckoutOpened():
            yield Ref("checkout", event.checkout_id)
        case PaymentProcessing():
            yield Ref("checkout", event.checkout_id)
            if event.gateway_payment_id:
                yield Ref("gateway_payment", event.gateway_payment_id)
        case PaymentFailed():
            if event.gateway_payment_id:
                yield Ref("gateway_payment", event.gateway_payment_id)
        case PaymentSucceeded():
            if event.checkout_id:
                yield Ref("checkout", event.checkout_id)
            if event.gateway_payment_id:
                yield Ref("gateway_payment", event.gateway_payment_id)
        case PaymentTraced():
            yield Ref("gateway_payment", event.gateway_payment_id)
        case SubscriptionCreated():
            yield Ref("gateway_subscription", event.gateway_subscription_id)
        case PaymentRefundPending() | PaymentRefunded() | PaymentRefundFailed() | PaymentRefundCanceled():
            if event.gateway_refund_id:
                yield Ref("gateway_refund", event.gateway_refund_id)
        case PaymentDisputeOpened():
            yield Ref("gateway_dispute", event.dispute_id)
