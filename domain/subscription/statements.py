"""What the gateway states of a subscription: whether it is news, and the facts that it comes to.

Statements come twice, late and in any order. The newer one holds, by the gateway's own time; where two of one second
differ, or the gateway was asked meanwhile, nobody can tell which is newer, and it is asked (again). An end is final.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from domain.payment import Payment
from domain.product import Price
from domain.project import Project
from domain.project.catalogue import product_at
from domain.subscription.access import GRACE_ENDED, concluded
from domain.subscription.events import (
    Standing,
    SubscriptionCanceled,
    SubscriptionCreated,
    SubscriptionEvent,
    SubscriptionExpired,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionUpdated,
)
from domain.subscription.state import Status, Subscription, standing_of, subscription_id

# What a newer statement may differ in without anything having happened.
_OF_NO_NOTE = frozenset({"stated_at", "asked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A subscription as the gateway has it at one moment. `price` is that of its first item, `quantity` how many of it.

    The current period is what all items share: from the latest beginning among them to the earliest end. Items beside the
    first were added in the gateway's dashboard: only their prices are known here.
    """

    gateway_subscription_id: str
    status: Status
    price: Price
    quantity: int
    started_at: datetime
    current_period_start: datetime
    current_period_end: datetime
    trial_end: datetime | None = None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    further_price_ids: tuple[str, ...] = ()


class Verdict(Enum):
    NOTHING_NEW = auto()
    NEWER = auto()
    UNCLEAR = auto()  # only the gateway can tell


def weigh(subscription: Subscription, stated: Stated, stated_at: datetime) -> Verdict:
    """Whether a statement that the gateway made at `stated_at` (to the second) is news."""
    known = subscription.standing
    if subscription.ended:
        return Verdict.NOTHING_NEW
    if stated.status.ended:
        return Verdict.NEWER
    if stated_at < known.stated_at:
        return Verdict.NOTHING_NEW
    if _agrees(known, stated):
        return Verdict.NEWER if stated_at > known.stated_at else Verdict.NOTHING_NEW
    return Verdict.UNCLEAR if stated_at == known.stated_at or known.asked else Verdict.NEWER


def product_id_at(project: Project, payment: Payment, price_id: str) -> str:
    """What a subscription is to, by its price: what was bought at first, else what the catalogue sells, else the price.

    `payment` is that of its checkout. What it was in between makes no difference, for words of that may be lost.
    """
    if price_id == payment.price_id:
        return payment.product_id
    product = product_at(project, price_id)
    return product.product_id if product else price_id


def differs(subscription: Subscription, stated: Stated) -> bool:
    """Whether the gateway has it otherwise than is known. What ended stays as it ended."""
    return not subscription.ended and not _agrees(subscription.standing, stated)


def begin(
    payment: Payment, stated: Stated, *, product_id: str, stated_at: datetime, asked: bool, grace: timedelta
) -> list[SubscriptionEvent]:
    """A checkout led to this subscription."""
    id = subscription_id(payment.gateway, stated.gateway_subscription_id)
    first = Standing(
        subscription_id=id,
        user_id=payment.user_id,
        product_id=product_id,
        **_terms(stated),
        status=stated.status.value,
        stated_at=stated_at,
        asked=asked,
    )
    standing = standing_of(concluded(first, {}, grace))
    created = SubscriptionCreated(
        **standing,
        project_id=payment.project_id,
        customer_id=payment.customer_id,
        gateway=payment.gateway,
        gateway_subscription_id=stated.gateway_subscription_id,
        payment_id=payment.payment_id,
        started_at=stated.started_at,
    )
    return [created, SubscriptionExpired(**standing)] if stated.status.ended else [created]


def follow(
    subscription: Subscription, stated: Stated, *, product_id: str, stated_at: datetime, asked: bool, grace: timedelta
) -> list[SubscriptionEvent]:
    """Take over what the gateway states."""
    known = subscription.standing
    changed = replace(
        as_stated(known, stated),
        product_id=product_id,
        stated_at=max(known.stated_at, stated_at),
        asked=asked,
    )
    standing = concluded(changed, subscription.unpaid, grace)
    return [] if standing == known else [_fact(known, standing)]


def as_stated(known: Standing, stated: Stated) -> Standing:
    """What is known of a subscription, save for what a statement says anew."""
    anew = replace(known, **_terms(stated), status=stated.status.value)
    if known.end_reason == GRACE_ENDED and stated.status.owing:  # Still owed, and the time for it still over.
        return replace(anew, status=Status.EXPIRED.value, end_reason=GRACE_ENDED)
    return anew


def _agrees(known: Standing, stated: Stated) -> bool:
    return as_stated(known, stated) == known


def _terms(stated: Stated) -> dict[str, Any]:
    return {
        "price_id": stated.price.price_id,
        "quantity": stated.quantity,
        "amount_minor": stated.price.amount_minor * stated.quantity,
        "currency": stated.price.currency,
        "interval": stated.price.interval,
        "interval_count": stated.price.interval_count,
        "stated_status": stated.status.value,
        "current_period_start": stated.current_period_start,
        "current_period_end": stated.current_period_end,
        "trial_end": stated.trial_end,
        "cancel_at": stated.cancel_at,
        "ended_at": stated.ended_at,
        "end_reason": stated.end_reason,
        "further_price_ids": stated.further_price_ids,
    }


def _fact(before: Standing, after: Standing) -> SubscriptionEvent:
    """The fact that tells best of what changed; it carries all of it."""
    was, now, said = Status(before.status), Status(after.status), standing_of(after)
    if now.ended and not was.ended:
        return SubscriptionExpired(**said)
    if was.ended and not now.ended:
        return SubscriptionResumed(**said)
    if (was is Status.PAUSED) != (now is Status.PAUSED):
        return SubscriptionPaused(**said) if now is Status.PAUSED else SubscriptionResumed(**said)
    if (before.cancel_at is None) != (after.cancel_at is None) and not now.ended:
        return SubscriptionCanceled(**said) if after.cancel_at else SubscriptionResumed(**said)
    changed = (name for name in said if name not in _OF_NO_NOTE and said[name] != getattr(before, name))
    return SubscriptionUpdated(**said, changed=tuple(changed))
