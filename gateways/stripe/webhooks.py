"""A webhook's body as a delivery: whose event it is, and what its type and object mean in our words."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateways.errors import WebhookUnreadable
from gateways.notices import Delivery, Irrelevant, Notice, Unreadable
from gateways.stripe.translation import (
    charges,
    checkout_sessions,
    disputes,
    invoices,
    payment_intents,
    refunds,
    subscriptions,
)
from gateways.stripe.translation.fields import Plain, ShapeUnknown, optional_text, payment_id, text, whole

_MEANINGS: Mapping[str, Callable[[Plain], Notice]] = {
    "checkout.session.completed": checkout_sessions.completed,
    "checkout.session.async_payment_succeeded": checkout_sessions.async_payment_succeeded,
    "checkout.session.async_payment_failed": checkout_sessions.async_payment_failed,
    "checkout.session.expired": checkout_sessions.expired,
    "payment_intent.payment_failed": payment_intents.payment_failed,
    "refund.created": refunds.as_it_stands,
    "refund.updated": refunds.as_it_stands,
    "refund.failed": refunds.as_it_stands,
    "charge.refund.updated": refunds.as_it_stands,
    "charge.refunded": charges.refunded,
    "charge.dispute.created": disputes.as_it_stands,
    "charge.dispute.updated": disputes.as_it_stands,
    "charge.dispute.closed": disputes.as_it_stands,
    "charge.dispute.funds_withdrawn": disputes.as_it_stands,
    "charge.dispute.funds_reinstated": disputes.as_it_stands,
    "invoice.paid": invoices.paid,
    "invoice.payment_failed": invoices.payment_failed,
    "invoice.payment_action_required": invoices.payment_action_required,
    "invoice.voided": invoices.closed,
    "invoice.marked_uncollectible": invoices.closed,
}

# Objects that change to and fro: of two events, the one that was made later holds.
_STATEMENTS: Mapping[str, Callable[[Plain, datetime], Notice]] = {
    "customer.subscription.created": subscriptions.said,
    "customer.subscription.updated": subscriptions.said,
    "customer.subscription.paused": subscriptions.said,
    "customer.subscription.resumed": subscriptions.said,
    "customer.subscription.deleted": subscriptions.said,
}

TYPES = (*_MEANINGS, *_STATEMENTS)


def read(body: bytes) -> Delivery:
    """The delivery in a webhook's body, which was verified before. Raises `WebhookUnreadable` where it is no event.

    An event that we act on, but whose object has an unknown shape, is `Unreadable`: it is to be kept all the same.
    """
    event = _event(body)
    try:
        subject, created_at = _subject(event), datetime.fromtimestamp(whole(event, "created"), UTC)
        return Delivery(
            account=optional_text(event, "account") or "",
            livemode=event.get("livemode") is True,
            event_id=text(event, "id"),
            event_type=text(event, "type"),
            api_version=optional_text(event, "api_version") or "",
            created_at=created_at,
            payment_id=payment_id(subject),
            gateway_payment_id=_gateway_payment_id(subject),
            body=body,
            notice=_notice(text(event, "type"), subject, created_at),
        )
    except (ShapeUnknown, OverflowError, ValueError, OSError) as error:
        raise WebhookUnreadable(f"This is no event that Stripe could have sent: {error}") from error


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise WebhookUnreadable("The body of this webhook is not JSON in UTF-8.") from error
    kind = event.get("object") if isinstance(event, dict) else None
    if kind == "v2.core.event":
        raise WebhookUnreadable(
            "This is a thin event, which says only that something happened; in Stripe's dashboard, set this endpoint to"
            " snapshot payloads."
        )
    if kind != "event":
        raise WebhookUnreadable("This is JSON, but no event of Stripe's.")
    return dict(event)


def _subject(event: Plain) -> Plain:
    """The object that the event is about, as it was then."""
    data = event.get("data")
    subject = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(subject, Mapping):
        raise ShapeUnknown(event, "data.object")
    return subject


def _gateway_payment_id(subject: Plain) -> str | None:
    """The payment intent that the object is, or belongs to, if it says so in any way."""
    named = subject.get("id") if subject.get("object") == "payment_intent" else subject.get("payment_intent")
    named = named.get("id") if isinstance(named, Mapping) else named
    return named if isinstance(named, str) and named else None


def _notice(event_type: str, subject: Plain, created_at: datetime) -> Notice:
    try:
        if meaning := _MEANINGS.get(event_type):
            return meaning(subject)
        if statement := _STATEMENTS.get(event_type):
            return statement(subject, created_at)
        return Irrelevant()
    except ShapeUnknown as error:
        return Unreadable(reason=str(error))
