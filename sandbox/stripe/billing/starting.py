"""How a subscription begins: at the end of a checkout, which has paid for it already, or by a call, which has not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.billing import collecting, items, pending
from sandbox.stripe.billing import invoice as invoices
from sandbox.stripe.billing import subscription as subscriptions
from sandbox.stripe.billing.periods import part_left, period_around, period_end
from sandbox.stripe.resources import invoice_payments
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

DAY_SECONDS = 86400


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What is subscribed to. `one_offs` are (price, quantity), billed once with the first invoice.

    `said` are the caller's parameters: trial_end or trial_period_days, billing_cycle_anchor, proration_behavior,
    metadata, description, default_payment_method, trial_settings.
    """

    customer: str
    parts: list[items.Wanted]
    said: Mapping[str, Any]
    one_offs: list[tuple[JsonObject, int]]

    def trial_end(self, now: int) -> int | None:
        """When the trial ends that the caller asks for, or that a price brings; None without one."""
        if self.said.get("trial_end") is not None:
            return None if self.said["trial_end"] == "now" else int(self.said["trial_end"])
        days = trial_days([part.price for part in self.parts], self.said)
        return now + days * DAY_SECONDS if days else None


def trial_days(prices: list[JsonObject], said: Mapping[str, Any]) -> int:
    """As a caller asks for, else as a price brings them."""
    of_prices = [(price["recurring"] or {}).get("trial_period_days") or 0 for price in prices]
    return int(said.get("trial_period_days", max(of_prices, default=0)))


def begin(account: Account, beginning: Beginning, status: str | None, cause: Cause) -> tuple[JsonObject, JsonObject]:
    """The subscription and its first invoice, a draft; both announced. Without a status it is incomplete while
    something is due.
    """
    now, id = account.clock.second(), subscriptions.new_subscription_id()
    trial_end = beginning.trial_end(now)
    anchor = trial_end or beginning.said.get("billing_cycle_anchor") or now
    parts = [
        items.make(id, part, (now, trial_end or period_end(anchor, part.price["recurring"], now)), now)
        for part in beginning.parts
    ]
    lines = [_first_line(account, part, anchor, trial_end, beginning.said) for part in parts]
    due = sum(line["amount"] for line in lines) + sum(
        price["unit_amount"] * count for price, count in beginning.one_offs
    )
    told = {
        **beginning.said,
        "id": id,
        "billing_cycle_anchor": anchor,
        "status": status or _first_status(trial_end, due),
        "trial_end": trial_end,
    }
    subscription = subscriptions.make(account, beginning.customer, parts, told)
    for price, quantity in beginning.one_offs:
        pending.add(account, subscription, pending.one_off(account, price, quantity), cause)
    lines += pending.lines(account, subscription)
    occasion = invoices.Occasion(reason="subscription_create", period=(now, now), cause=cause)
    invoice = invoices.draft(account, subscription, lines, occasion)
    pending.billed(account, invoice)
    subscription = subscriptions.write_silently(account, subscription, {"latest_invoice": invoice["id"]})
    record_event(account, "customer.subscription.created", subscription, cause)
    subscriptions.plan_next(account, subscription)
    return subscription, invoice


def _first_status(trial_end: int | None, due: int) -> str:
    if due:
        return "incomplete"
    return "trialing" if trial_end else "active"


def _first_line(
    account: Account, part: JsonObject, anchor: int, trial_end: int | None, said: Mapping[str, Any]
) -> JsonObject:
    """Where the anchor cuts the first period short, only that part of it is charged."""
    line = invoices.line_of(account, part, trial=trial_end is not None)
    start, end = period_around(anchor, part["price"]["recurring"], part["current_period_start"])
    if trial_end is not None or start == part["current_period_start"]:
        return line
    free = said.get("proration_behavior") == "none"
    amount = 0 if free else part_left(items.amount(part), part["current_period_start"], start, end)
    return line | {"amount": amount, "subtotal": amount}


def by_checkout(
    account: Account, beginning: Beginning, intent: str | None, *, is_paid: bool
) -> tuple[JsonObject, JsonObject]:
    """Paid by that payment intent of the checkout; None where nothing was due. Returns subscription and invoice.

    Unless it `is_paid`, a bank takes its time: the subscription is active, its invoice open, and it was tried once.
    """
    now = account.clock.second()
    trial = beginning.trial_end(now)
    subscription, invoice = begin(account, beginning, "trialing" if trial else "active", STRIPE_ITSELF)
    invoice = collecting.finalize(account, invoice)
    if intent is not None:
        invoice_payments.make(account, invoice, account.store.get("payment_intent", intent))
        account.store.hide(intent, invoice=invoice["id"])
    if is_paid:
        invoice = collecting.paid(account, invoice)
    else:
        tried = {"attempt_count": 1, "attempted": True}
        invoice = invoices.write(account, invoice, tried, "invoice.updated", STRIPE_ITSELF)
    return account.store.get("subscription", subscription["id"]), invoice
