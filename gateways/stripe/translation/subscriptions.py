"""Subscriptions: how each stands, as every generation of the API states it.

The current period stands on the items since 2025-03-31.basil, and on the subscription before; on both where an older
endpoint is served by a newer Stripe.
"""

from collections.abc import Sequence
from datetime import datetime

from domain.product import Price
from domain.subscription import Stated, Status
from gateways.notices import SubscriptionStated
from gateways.stripe.translation.fields import (
    Plain,
    ShapeUnknown,
    inner,
    listed,
    moment,
    optional_moment,
    optional_object,
    optional_text,
    optional_whole,
    payment_id,
    text,
    whole,
)

_STATUSES = {
    "incomplete": Status.INCOMPLETE,
    "incomplete_expired": Status.INCOMPLETE_EXPIRED,
    "trialing": Status.TRIALING,
    "active": Status.ACTIVE,
    "past_due": Status.PAST_DUE,
    "unpaid": Status.UNPAID,
    "paused": Status.PAUSED,
    "canceled": Status.EXPIRED,
}
NEVER_PAID = "never_paid"


def said(subscription: Plain, stated_at: datetime) -> SubscriptionStated:
    """`customer.subscription.*`: how it stood when the event was made."""
    return SubscriptionStated(payment_id=payment_id(subscription), stated=stated(subscription), stated_at=stated_at)


def stated(subscription: Plain) -> Stated:
    """How it stands. Of several items the oldest one's price counts, and the period that all of them share."""
    items = _oldest_first(subscription)
    status = _status(subscription)
    period_end = min(_period(subscription, items, "current_period_end"))
    return Stated(
        gateway_subscription_id=text(subscription, "id"),
        status=status,
        price=_price(items[0]),
        further_price_ids=tuple(sorted(text(inner(item, "price"), "id") for item in items[1:])),
        quantity=optional_whole(items[0], "quantity") or 1,  # A metered item has none.
        started_at=moment(subscription, "start_date"),
        current_period_start=max(_period(subscription, items, "current_period_start")),
        current_period_end=period_end,
        trial_end=optional_moment(subscription, "trial_end"),
        cancel_at=_cancel_at(subscription, period_end),
        ended_at=_ended_at(subscription) if status.ended else None,
        end_reason=_end_reason(subscription, status) if status.ended else None,
    )


def item_id(subscription: Plain) -> str:
    """The item whose price and quantity count."""
    return text(_oldest_first(subscription)[0], "id")


def _oldest_first(subscription: Plain) -> Sequence[Plain]:
    """That which the checkout made comes first, whatever was added in the dashboard and however Stripe lists them."""
    items = listed(subscription, "items")
    if not items:
        raise ShapeUnknown(subscription, "items")
    return sorted(items, key=lambda item: optional_whole(item, "created") or 0)


def _status(subscription: Plain) -> Status:
    """Collection can be paused on a subscription that is called active all the same: nothing is charged then."""
    status = _STATUSES.get(text(subscription, "status"))
    if status is None:
        raise ShapeUnknown(subscription, "status")
    paused = optional_object(subscription, "pause_collection") is not None
    return Status.PAUSED if paused and not status.ended else status


def _period(subscription: Plain, items: Sequence[Plain], name: str) -> list[datetime]:
    return [moment(item if item.get(name) is not None else subscription, name) for item in items]


def _price(item: Plain) -> Price:
    """A price that is not known beforehand (by usage, or in tiers) counts as 0."""
    price, recurring = inner(item, "price"), inner(inner(item, "price"), "recurring")
    metered = recurring.get("usage_type") == "metered"
    return Price(
        price_id=text(price, "id"),
        amount_minor=0 if metered else optional_whole(price, "unit_amount") or 0,
        currency=text(price, "currency"),
        interval=text(recurring, "interval"),
        interval_count=whole(recurring, "interval_count"),
    )


def _cancel_at(subscription: Plain, period_end: datetime) -> datetime | None:
    ends_with_period = subscription.get("cancel_at_period_end") is True
    return optional_moment(subscription, "cancel_at") or (period_end if ends_with_period else None)


def _ended_at(subscription: Plain) -> datetime:
    ended = optional_moment(subscription, "ended_at") or optional_moment(subscription, "canceled_at")
    return ended or moment(subscription, "start_date")  # What was never paid for never began.


def _end_reason(subscription: Plain, status: Status) -> str | None:
    if status is Status.INCOMPLETE_EXPIRED:
        return NEVER_PAID
    return optional_text(inner(subscription, "cancellation_details"), "reason")
