"""The money itself: on its way, or there."""

from domain.payment.events import PaymentEvent, PaymentProcessing, PaymentSucceeded, PaymentTraced
from domain.payment.state import Payment, Status


def process(payment: Payment, checkout_id: str, gateway_payment_id: str | None) -> list[PaymentEvent]:
    """The customer has done their part and the bank takes its time."""
    if payment.status.rank >= Status.PROCESSING.rank:
        return []
    return [
        PaymentProcessing(payment_id=payment.payment_id, checkout_id=checkout_id, gateway_payment_id=gateway_payment_id)
    ]


def succeed(
    payment: Payment,
    *,
    amount_minor: int,
    currency: str,
    checkout_id: str,
    gateway_payment_id: str | None,
    gateway_subscription_id: str | None,
    subscription_id: str | None = None,
) -> list[PaymentEvent]:
    """Take the money, whatever was thought of this payment before: canceled, expired or failed, money wins."""
    if payment.status is Status.SUCCEEDED:
        return trace(payment, gateway_payment_id)
    return [
        PaymentSucceeded(
            payment_id=payment.payment_id,
            user_id=payment.user_id,
            product_id=payment.product_id,
            amount_minor=amount_minor,
            currency=currency,
            amount_differs=(amount_minor, currency) != (payment.amount_minor, payment.currency),
            checkout_id=checkout_id,
            gateway_payment_id=gateway_payment_id,
            gateway_subscription_id=gateway_subscription_id,
            subscription_id=subscription_id,
        )
    ]


def trace(payment: Payment, gateway_payment_id: str | None) -> list[PaymentEvent]:
    """Note under which id the gateway took the money, where that was all that was not known of it."""
    if gateway_payment_id is None or not payment.untraced:
        return []
    return [PaymentTraced(payment_id=payment.payment_id, gateway_payment_id=gateway_payment_id)]
