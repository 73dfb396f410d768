"""An invoice that a subscription's gateway has been paid: a payment of its own, which can be listed, refunded and disputed."""

from datetime import datetime
from uuid import UUID, uuid5

from domain.payment.events import PaymentEvent, PaymentInitiated, PaymentSucceeded
from domain.payment.settlement import trace
from domain.payment.state import Payment

_NAMESPACE = UUID("2c6f5a1e-6d0f-5d39-8f0d-7b8e1a5c4d92")


def payment_id_of(gateway: str, invoice_id: str) -> str:
    """The id of the payment that an invoice becomes: `pay_` and 32 hexadecimal digits."""
    return f"pay_{uuid5(_NAMESPACE, f'{gateway}/{invoice_id}').hex}"


def pay_invoice(
    payment: Payment | None,
    *,
    project_id: str,
    user_id: str,
    customer_id: str,
    subscription_id: str,
    invoice_id: str,
    product_id: str,
    product_type: str,
    price_id: str,
    quantity: int,
    amount_minor: int,
    currency: str,
    credits: int,
    credit_type: str,
    gateway: str,
    gateway_payment_id: str | None,
    gateway_subscription_id: str,
    issued_at: datetime,
) -> list[PaymentEvent]:
    """Note a payment that began and succeeded before we heard of it."""
    if payment is not None:
        return trace(payment, gateway_payment_id)
    payment_id = payment_id_of(gateway, invoice_id)
    return [
        PaymentInitiated(
            payment_id=payment_id,
            project_id=project_id,
            user_id=user_id,
            customer_id=customer_id,
            product_id=product_id,
            product_type=product_type,
            price_id=price_id,
            quantity=quantity,
            payment_type="subscription",
            amount_minor=amount_minor,
            currency=currency,
            credits=credits,
            credit_type=credit_type,
            gateway=gateway,
            initiated_at=issued_at,
            subscription_id=subscription_id,
            invoice_id=invoice_id,
        ),
        PaymentSucceeded(
            payment_id=payment_id,
            user_id=user_id,
            product_id=product_id,
            amount_minor=amount_minor,
            currency=currency,
            amount_differs=False,
            checkout_id="",
            gateway_payment_id=gateway_payment_id,
            gateway_subscription_id=gateway_subscription_id,
            subscription_id=subscription_id,
        ),
    ]
