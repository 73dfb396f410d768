"""A subscription's invoices: paid, not paid yet, or no longer due. Each counts once, whenever it becomes known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.subscription.access import concluded
from domain.subscription.events import (
    SubscriptionEvent,
    SubscriptionPaymentFailed,
    SubscriptionRenewed,
    SubscriptionUpdated,
)
from domain.subscription.state import Subscription, Unpaid, standing_of

FIRST = "subscription_create"  # the billing reason of the invoice that a checkout pays


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What an invoice charges for: a period of the subscription, or what a change in the midst of one comes to."""

    price_id: str | None
    quantity: int
    whole_period: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A bill of the gateway's. `amount_minor` is what was paid of it, or what is due as long as nothing was."""

    invoice_id: str
    billing_reason: str
    amount_minor: int
    currency: str
    issued_at: datetime
    lines: tuple[Line, ...]

    @property
    def main_line(self) -> Line | None:
        """What it is about: its first line for a whole period, or the first one that it has at all."""
        whole = [line for line in self.lines if line.whole_period]
        return next(iter(whole or self.lines), None)

    @property
    def buys_period(self) -> bool:
        """Whether it is for a whole period, and so for all that comes with one."""
        return any(line.whole_period for line in self.lines)

    @property
    def period_start(self) -> datetime:
        return self.main_line.period_start if self.main_line else self.issued_at

    @property
    def period_end(self) -> datetime:
        return self.main_line.period_end if self.main_line else self.issued_at


def renew(
    subscription: Subscription,
    invoice: Invoice,
    *,
    payment_id: str | None,
    credits: int,
    credit_type: str,
    grace: timedelta,
) -> list[SubscriptionEvent]:
    """An invoice was paid. `payment_id` is the payment that it became; `credits` are what its period brings."""
    if invoice.invoice_id in subscription.paid:
        return []
    standing = concluded(subscription.standing, _without(subscription, invoice.invoice_id), grace)
    return [
        SubscriptionRenewed(
            **standing_of(standing),
            invoice_id=invoice.invoice_id,
            payment_id=payment_id,
            billing_reason=invoice.billing_reason,
            paid_minor=invoice.amount_minor,
            period_start=invoice.period_start,
            period_end=invoice.period_end,
            credits=credits,
            credit_type=credit_type,
        )
    ]


def fail(
    subscription: Subscription,
    invoice: Invoice,
    *,
    attempt: int,
    retry_at: datetime | None,
    awaits_customer: bool,
    grace: timedelta,
) -> list[SubscriptionEvent]:
    """An attempt to have it paid failed. Word of an earlier attempt, or of one before it was paid, comes too late.

    That the attempt `awaits_customer` is news even where it is known to have failed.
    """
    known = subscription.unpaid.get(invoice.invoice_id)
    if invoice.invoice_id in subscription.paid | subscription.closed:
        return []
    if known and (attempt, awaits_customer) <= (known.attempts, known.awaits_customer):
        return []
    failed = Unpaid(
        attempts=attempt, retry_at=retry_at, period_start=invoice.period_start, awaits_customer=awaits_customer
    )
    standing = concluded(subscription.standing, {**subscription.unpaid, invoice.invoice_id: failed}, grace)
    return [
        SubscriptionPaymentFailed(
            **standing_of(standing),
            invoice_id=invoice.invoice_id,
            attempt=attempt,
            retry_at=retry_at,
            due_minor=invoice.amount_minor,
            period_start=invoice.period_start,
            awaits_customer=awaits_customer,
        )
    ]


def close(subscription: Subscription, invoice_id: str, grace: timedelta) -> list[SubscriptionEvent]:
    """It is not due any more, though nobody paid: voided, or written off."""
    if invoice_id in subscription.paid | subscription.closed:
        return []
    known = subscription.standing
    standing = concluded(known, _without(subscription, invoice_id), grace)
    said = standing_of(standing)
    changed = tuple(name for name in said if said[name] != getattr(known, name))
    return [SubscriptionUpdated(**said, changed=changed, closed_invoice_id=invoice_id)]


def _without(subscription: Subscription, invoice_id: str) -> Mapping[str, Unpaid]:
    return {id: unpaid for id, unpaid in subscription.unpaid.items() if id != invoice_id}
