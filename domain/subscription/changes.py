"""What a project asks of a subscription: whether it may, whether there is anything to do, and that it was asked for."""

from dataclasses import dataclass
from enum import StrEnum

from domain.product import Product, ProductType
from domain.subscription.errors import (
    CurrencyDoesNotFit,
    NothingToResume,
    QuantityDoesNotFit,
    SubscriptionEnded,
    SubscriptionIncomplete,
)
from domain.subscription.events import SubscriptionChangeRefused, SubscriptionChangeRequested, SubscriptionEvent
from domain.subscription.state import Status, Subscription, standing_of


class Action(StrEnum):
    CANCEL = "cancel"  # at once
    CANCEL_AT_PERIOD_END = "cancel_at_period_end"
    RESUME = "resume"  # from a pause, or by taking a cancellation back
    PAUSE = "pause"
    CHANGE = "change"  # of plan or quantity


class Proration(StrEnum):
    """What becomes of the rest of a period that was paid for at another price."""

    NONE = "none"
    NEXT_INVOICE = "next_invoice"  # made up for with the next period
    INVOICE_NOW = "invoice_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for. The last three are of a change: None leaves a price or a quantity as it is."""

    action: Action
    price_id: str | None = None
    quantity: int | None = None
    proration: Proration | None = None


# Each gives what is to be asked of the gateway, or None where it is so already.


def cancel(subscription: Subscription, *, at_period_end: bool) -> Wanted | None:
    """End it, at once or with its period. What will end sooner than asked is as asked."""
    if subscription.ended:
        raise SubscriptionEnded(subscription)
    if not at_period_end:
        return Wanted(action=Action.CANCEL)
    known = subscription.standing
    if known.cancel_at is not None and known.cancel_at <= known.current_period_end:
        return None
    return Wanted(action=Action.CANCEL_AT_PERIOD_END)


def pause(subscription: Subscription) -> Wanted | None:
    """Charge nothing until it is resumed."""
    _check_running(subscription)
    return None if subscription.status is Status.PAUSED else Wanted(action=Action.PAUSE)


def resume(subscription: Subscription) -> Wanted:
    """Go on: after a pause, or in spite of a cancellation."""
    if subscription.ended:
        raise SubscriptionEnded(subscription)
    if subscription.status is not Status.PAUSED and subscription.standing.cancel_at is None:
        raise NothingToResume(subscription)
    return Wanted(action=Action.RESUME)


def change(
    subscription: Subscription, product: Product | None, quantity: int | None, proration: Proration
) -> Wanted | None:
    """Change what is subscribed to, or how many of it. `product` None: the same as now."""
    _check_running(subscription)
    known = subscription.standing
    if product is not None and product.price.currency != known.currency:
        raise CurrencyDoesNotFit(product, known.currency)
    if product is not None and product.type is ProductType.METERED and quantity is not None:
        raise QuantityDoesNotFit(product.product_id)
    price_id = product.price.price_id if product is not None and product.price.price_id != known.price_id else None
    quantity = quantity if quantity != known.quantity else None
    if price_id is None and quantity is None:
        return None
    return Wanted(action=Action.CHANGE, price_id=price_id, quantity=quantity, proration=proration)


def request(
    subscription: Subscription, wanted: Wanted, *, change_id: str, product_id: str | None, reason: str
) -> list[SubscriptionEvent]:
    """Note that it was asked for, and why, before the gateway is: its own word of what then happens knows neither."""
    return [
        SubscriptionChangeRequested(
            **standing_of(subscription.standing),
            change_id=change_id,
            action=wanted.action.value,
            reason=reason,
            wanted_product_id=product_id,
            wanted_quantity=wanted.quantity,
            proration=wanted.proration.value if wanted.proration else None,
        )
    ]


def refuse(subscription: Subscription, change_id: str, code: str) -> list[SubscriptionEvent]:
    """The gateway would not do it."""
    return [SubscriptionChangeRefused(**standing_of(subscription.standing), change_id=change_id, code=code)]


def _check_running(subscription: Subscription) -> None:
    if subscription.ended:
        raise SubscriptionEnded(subscription)
    if subscription.status is Status.INCOMPLETE:
        raise SubscriptionIncomplete(subscription)
