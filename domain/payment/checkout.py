"""From the wish to pay to a page that is open, declined on, left or closed."""

from collections.abc import Mapping
from datetime import datetime

from domain.customer import customer_id
from domain.payment.errors import (
    CheckoutAlreadyOpened,
    CheckoutNotKnownYet,
    PaymentAlreadySucceeded,
    PaymentEnded,
    PaymentNotCancelable,
)
from domain.payment.events import (
    PaymentAttemptFailed,
    PaymentCanceled,
    PaymentCheckoutOpened,
    PaymentEvent,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentUnconfirmed,
)
from domain.payment.state import Payment, Status
from domain.product import Product


def initiate(
    payment: Payment | None,
    *,
    payment_id: str,
    project_id: str,
    user_id: str,
    product: Product,
    quantity: int,
    gateway: str,
    metadata: Mapping[str, str],
    now: datetime,
) -> list[PaymentEvent]:
    """Note what somebody wants to pay for, before the gateway hears of it. A trial costs nothing at first."""
    if payment is not None:
        return []
    return [
        PaymentInitiated(
            payment_id=payment_id,
            project_id=project_id,
            user_id=user_id,
            customer_id=customer_id(project_id, user_id),
            product_id=product.product_id,
            product_type=product.type.value,
            price_id=product.price.price_id,
            quantity=quantity,
            payment_type=product.payment_type.value,
            amount_minor=product.price.amount_minor * quantity if not product.price.trial_days else 0,
            currency=product.price.currency,
            credits=product.credits * quantity,
            credit_type=product.credit_type,
            gateway=gateway,
            initiated_at=now,
            metadata=metadata,
        )
    ]


def open_checkout(payment: Payment, checkout_id: str, expires_at: datetime) -> list[PaymentEvent]:
    """The gateway opened a page. Word of what happened on it may have come first: then there is nothing to add."""
    if payment.checkout_id == checkout_id or (payment.checkout_id is None and payment.status.ended):
        return []
    if payment.checkout_id is not None:
        raise CheckoutAlreadyOpened(payment)
    return [PaymentCheckoutOpened(payment_id=payment.payment_id, checkout_id=checkout_id, expires_at=expires_at)]


def check_openable(payment: Payment) -> None:
    """Whether the gateway may be asked to open its page (again). What ended unpaid stays ended."""
    if payment.status.ended and payment.status is not Status.SUCCEEDED:
        raise PaymentEnded(payment)


def lose_track(payment: Payment, reason: str) -> list[PaymentEvent]:
    """The gateway did not answer: whether it opened a page is unknown."""
    if payment.status is not Status.INITIATED:
        return []
    return [PaymentUnconfirmed(payment_id=payment.payment_id, reason=reason)]


def decline(payment: Payment, attempt_id: str, code: str, decline_code: str | None) -> list[PaymentEvent]:
    """An attempt was declined while the page stays open. Word of it may come when that is long over: it ends nothing."""
    if attempt_id in payment.failed_attempts:
        return []
    return [
        PaymentAttemptFailed(payment_id=payment.payment_id, attempt_id=attempt_id, code=code, decline_code=decline_code)
    ]


def expire(payment: Payment, reason: str) -> list[PaymentEvent]:
    """The page closed unpaid, or never was. What is processing was paid on it, and does not expire."""
    if payment.status.ended or payment.status is Status.PROCESSING:
        return []
    return [PaymentExpired(payment_id=payment.payment_id, reason=reason)]


def fail(payment: Payment, code: str, reason: str, gateway_payment_id: str | None = None) -> list[PaymentEvent]:
    """It will not be paid: refused at the outset, or the bank sent no money after all."""
    if payment.status.ended:
        return []
    return [
        PaymentFailed(payment_id=payment.payment_id, code=code, reason=reason, gateway_payment_id=gateway_payment_id)
    ]


def check_cancelable(payment: Payment) -> None:
    """Whether the gateway may be asked to close the page. Raises where that cannot help any more."""
    if payment.status is Status.SUCCEEDED:
        raise PaymentAlreadySucceeded(payment.payment_id)
    if payment.status in (Status.INITIATED, Status.UNCONFIRMED):
        raise CheckoutNotKnownYet(payment.payment_id)
    if payment.status not in (Status.CHECKOUT_OPENED, Status.CANCELED):
        raise PaymentNotCancelable(payment)


def cancel(payment: Payment, reason: str) -> list[PaymentEvent]:
    """Withdraw it, once the gateway has closed the page. An expiry that was told first was this very closing."""
    if payment.status is Status.CANCELED:
        return []
    if payment.status is not Status.EXPIRED:
        check_cancelable(payment)
    return [PaymentCanceled(payment_id=payment.payment_id, reason=reason)]
