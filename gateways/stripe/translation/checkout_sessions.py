"""Checkout sessions: the page on which a payment is paid, and the authoritative word on whether it was."""

from collections.abc import Mapping
from datetime import UTC, datetime

from gateways.notices import CheckoutExpired, CheckoutFailed, CheckoutPaid, CheckoutProcessing, Irrelevant, Notice
from gateways.port import Checkout
from gateways.stripe.translation import payment_intents
from gateways.stripe.translation.fields import (
    Plain,
    ShapeUnknown,
    optional_text,
    payment_id,
    reference,
    text,
    whole,
)

_PAID = ("paid", "no_payment_required")  # The latter where nothing was due; before 2023-08-16 that was called paid too.
_NOT_PAID_AFTER_ALL = ("requires_payment_method", "canceled")


def opened(session: Plain) -> Checkout:
    """The page. `url` is empty once it is closed: Stripe shows no way to a page that is complete or expired."""
    return Checkout(
        checkout_id=text(session, "id"),
        url=optional_text(session, "url") or "",
        expires_at=datetime.fromtimestamp(whole(session, "expires_at"), UTC),
    )


def completed(session: Plain) -> Notice:
    """`checkout.session.completed`: paid, or, with a method that takes days, only on its way."""
    if session.get("mode") == "setup":
        return Irrelevant()  # A card was put on file; nothing was to be paid.
    status = text(session, "payment_status")
    if status in _PAID:
        return _paid(session)
    if status == "unpaid":
        return _processing(session)
    raise ShapeUnknown(session, "payment_status")


def async_payment_succeeded(session: Plain) -> Notice:
    """`checkout.session.async_payment_succeeded`: the money came, days after the page was completed."""
    if text(session, "payment_status") not in _PAID:
        raise ShapeUnknown(session, "payment_status")
    return _paid(session)


def async_payment_failed(session: Plain) -> Notice:
    """`checkout.session.async_payment_failed`: it will not come."""
    return CheckoutFailed(
        checkout_id=text(session, "id"),
        payment_id=payment_id(session),
        code="async_payment_failed",
        reason="the customer's bank sent no money",
        gateway_payment_id=reference(session, "payment_intent"),
    )


def expired(session: Plain) -> Notice:
    """`checkout.session.expired`: nobody paid in time, or the page was closed."""
    return CheckoutExpired(checkout_id=text(session, "id"), payment_id=payment_id(session))


def as_it_stands(session: Plain) -> list[Notice]:
    """The notices that led to this state: what webhooks would have said. `payment_intent` is expanded."""
    intent = session.get("payment_intent")
    status = text(session, "status")
    if status == "expired":
        return [expired(session)]
    if status == "complete":
        return [_failed_or_completed(session)]
    if status != "open":
        raise ShapeUnknown(session, "status")
    declined = payment_intents.last_decline(intent) if isinstance(intent, Mapping) else None
    return [] if declined is None else [declined]


def _failed_or_completed(session: Plain) -> Notice:
    intent = session.get("payment_intent")
    unpaid = session.get("payment_status") == "unpaid"
    if unpaid and isinstance(intent, Mapping) and intent.get("status") in _NOT_PAID_AFTER_ALL:
        return async_payment_failed(session)
    return completed(session)


def _paid(session: Plain) -> CheckoutPaid:
    return CheckoutPaid(
        checkout_id=text(session, "id"),
        payment_id=payment_id(session),
        amount_minor=whole(session, "amount_total"),
        currency=text(session, "currency"),
        gateway_payment_id=reference(session, "payment_intent"),
        gateway_subscription_id=reference(session, "subscription"),
        invoice_id=reference(session, "invoice"),
    )


def _processing(session: Plain) -> CheckoutProcessing:
    return CheckoutProcessing(
        checkout_id=text(session, "id"),
        payment_id=payment_id(session),
        gateway_payment_id=reference(session, "payment_intent"),
    )
