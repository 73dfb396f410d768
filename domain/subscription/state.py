"""A subscription as its facts have made it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID, uuid5

from domain.streams import Kind
from domain.subscription.events import (
    Standing,
    SubscriptionCanceled,
    SubscriptionChangeRefused,
    SubscriptionChangeRequested,
    SubscriptionCreated,
    SubscriptionEvent,
    SubscriptionExpired,
    SubscriptionPaused,
    SubscriptionPaymentFailed,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionUpdated,
)

_NAMESPACE = UUID("5f1c0d5e-0b0e-5f3c-9d4b-2d6f7c1a8e43")


class Status(StrEnum):
    INCOMPLETE = "incomplete"  # its first payment is still awaited
    INCOMPLETE_EXPIRED = "incomplete_expired"  # and never came
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"  # a renewal's payment failed, and is tried again
    UNPAID = "unpaid"  # and is not tried again
    PAUSED = "paused"
    EXPIRED = "expired"  # over, or its grace period is

    @property
    def ended(self) -> bool:
        """At the gateway nothing follows this, ever."""
        return self in (Status.EXPIRED, Status.INCOMPLETE_EXPIRED)

    @property
    def owing(self) -> bool:
        """Something is due that is not paid: access goes on for the grace period."""
        return self in (Status.PAST_DUE, Status.UNPAID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaid:
    """An invoice whose payment failed so far. `period_start` is the end of what was paid for before.

    `awaits_customer`: their bank wants the newest attempt confirmed.
    """

    attempts: int
    retry_at: datetime | None
    period_start: datetime
    awaits_customer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """`paid` and `closed` are ids of invoices that are not due any more, `unpaid` has those that are, by id."""

    project_id: str
    customer_id: str
    gateway: str
    gateway_subscription_id: str
    payment_id: str
    started_at: datetime
    standing: Standing
    paid: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    unpaid: Mapping[str, Unpaid] = field(default_factory=dict)

    @property
    def subscription_id(self) -> str:
        return self.standing.subscription_id

    @property
    def status(self) -> Status:
        return Status(self.standing.status)

    @property
    def stated_status(self) -> Status:
        return Status(self.standing.stated_status)

    @property
    def owed_invoice_id(self) -> str | None:
        """The newest invoice that was tried in vain; None where nothing is owed."""
        return newest_of(self.unpaid)

    @property
    def ended(self) -> bool:
        """Over for good, at the gateway too."""
        return self.stated_status.ended

    @property
    def lapsed(self) -> bool:
        """Its grace period is over, while the gateway still hopes to be paid."""
        return self.status is Status.EXPIRED and not self.ended


def subscription_id(gateway: str, gateway_subscription_id: str) -> str:
    """One for each subscription of a gateway's: `sub_` and 32 hexadecimal digits."""
    return f"sub_{uuid5(_NAMESPACE, f'{gateway}/{gateway_subscription_id}').hex}"


def newest_of(unpaid: Mapping[str, Unpaid]) -> str | None:
    """The id of the invoice that is for the latest period."""
    return max(unpaid, key=lambda id: (unpaid[id].period_start, id), default=None)


def evolve(subscription: Subscription | None, event: SubscriptionEvent) -> Subscription:
    """Apply one fact. Never refuses: what happened, happened."""
    if isinstance(event, SubscriptionCreated):
        return _created(event)
    assert subscription is not None, "a subscription starts with subscription.created"
    subscription = replace(subscription, standing=Standing(**standing_of(event)))
    match event:
        case SubscriptionRenewed():
            return replace(
                subscription,
                paid=subscription.paid | {event.invoice_id},
                unpaid=_without(subscription.unpaid, event.invoice_id),
            )
        case SubscriptionPaymentFailed():
            unpaid = Unpaid(
                attempts=event.attempt,
                retry_at=event.retry_at,
                period_start=event.period_start,
                awaits_customer=event.awaits_customer,
            )
            return replace(subscription, unpaid={**subscription.unpaid, event.invoice_id: unpaid})
        case SubscriptionUpdated(closed_invoice_id=str(invoice_id)):
            return replace(
                subscription,
                closed=subscription.closed | {invoice_id},
                unpaid=_without(subscription.unpaid, invoice_id),
            )
        case (
            SubscriptionUpdated()
            | SubscriptionPaused()
            | SubscriptionResumed()
            | SubscriptionCanceled()
            | SubscriptionExpired()
            | SubscriptionChangeRequested()
            | SubscriptionChangeRefused()
        ):
            return subscription
        case _:
            assert_never(event)


def standing_of(event: Standing) -> dict[str, Any]:
    """What every fact says of how its subscription stands, by field: to say it again in another fact."""
    return {name: getattr(event, name) for name in _STANDING}


def _created(event: SubscriptionCreated) -> Subscription:
    return Subscription(
        project_id=event.project_id,
        customer_id=event.customer_id,
        gateway=event.gateway,
        gateway_subscription_id=event.gateway_subscription_id,
        payment_id=event.payment_id,
        started_at=event.started_at,
        standing=Standing(**standing_of(event)),
    )


def _without(unpaid: Mapping[str, Unpaid], invoice_id: str) -> Mapping[str, Unpaid]:
    return {id: invoice for id, invoice in unpaid.items() if id != invoice_id}


_STANDING = tuple(field.name for field in fields(Standing))

SUBSCRIPTIONS: Kind[Subscription, SubscriptionEvent] = Kind("subscriptions", evolve)
