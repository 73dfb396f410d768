"""What subscriptions and invoices do by themselves, as time passes: announce, renew, end a trial, be collected."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.stripe.account import Account
from sandbox.stripe.billing import collecting, ending, items, pending, usage
from sandbox.stripe.billing import invoice as invoices
from sandbox.stripe.billing import subscription as subscriptions
from sandbox.stripe.billing.periods import period_end
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject


def tend_subscription(account: Account, id: str) -> None:
    """A deed of the agenda: the first thing that is due."""
    subscription = account.store.get("subscription", id)
    due = [step for step in subscriptions.steps(account, subscription) if step.due <= account.clock.second()]
    if due:
        STEPS[min(due).name](account, subscription)
    subscriptions.plan_next(account, account.store.get("subscription", id))


# Announcements.


def announce(account: Account, subscription: JsonObject) -> None:
    """`invoice.upcoming`: what the next invoice is going to say. It has no id yet."""
    renewed, lines = _turned(account, subscription)
    period = (_start(subscription), subscriptions.period_end(subscription))
    occasion = invoices.Occasion(reason="upcoming", period=period)
    preview = invoices.preview(account, {**subscription, **renewed}, lines, occasion)
    account.store.hide(subscription["id"], upcoming_for=subscriptions.period_end(subscription))
    record_event(account, "invoice.upcoming", preview)


def warn(account: Account, subscription: JsonObject) -> None:
    """Three days before the end of a trial, or at once where it is shorter."""
    account.store.hide(subscription["id"], warned_of=subscription["trial_end"])
    record_event(account, "customer.subscription.trial_will_end", subscription)


# The end of a period.


def renew(account: Account, subscription: JsonObject) -> None:
    """The next period begins: an invoice is drafted for it, and collected an hour later."""
    if subscription["status"] == "trialing" and _ends_with_its_trial(account, subscription):
        return
    period = (_start(subscription), subscriptions.period_end(subscription))
    renewed, lines = _turned(account, subscription)
    occasion = invoices.Occasion(
        reason="subscription_cycle", period=period, draft_seconds=_draft_seconds(account, subscription)
    )
    invoice = invoices.draft(account, subscription, lines, occasion)
    pending.billed(account, invoice)
    status = {"status": "active"} if subscription["status"] == "trialing" else {}
    subscriptions.write(account, subscription, {**renewed, **status, "latest_invoice": invoice["id"]})
    _let_go(account, subscription, invoice)


def _turned(account: Account, subscription: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """The items that renew now in their next period, and the lines for that: use afterwards, the rest beforehand."""
    now, parts, lines = subscriptions.period_end(subscription), [], []
    for item in subscription["items"]["data"]:
        if item["current_period_end"] > now:
            parts.append(item)
            continue
        start = item["current_period_end"]
        end = period_end(subscription["billing_cycle_anchor"], item["price"]["recurring"], start)
        turned = {**item, "current_period_start": start, "current_period_end": end}
        parts.append(turned)
        lines.append(_line(account, subscription, item, turned))
    lines += pending.lines(account, subscription)
    changes: JsonObject = {"items": items.listed(subscription["id"], parts)}
    if subscription["cancel_at_period_end"]:
        changes["cancel_at"] = min(part["current_period_end"] for part in parts)
    return changes, lines


def _line(account: Account, subscription: JsonObject, before: JsonObject, now: JsonObject) -> JsonObject:
    if not items.is_metered(before["price"]):
        return invoices.line_of(account, now)
    period = (before["current_period_start"], before["current_period_end"])
    quantity = usage.used(account, subscription["customer"], before["price"], period)
    return invoices.usage_line(account, before, quantity, period)


def _start(subscription: JsonObject) -> int:
    """When the period began that ends next."""
    ending_next = min(subscription["items"]["data"], key=lambda item: item["current_period_end"])
    return int(ending_next["current_period_start"])


def _ends_with_its_trial(account: Account, subscription: JsonObject) -> bool:
    """Without a payment method a trial may be followed by a pause, or by nothing."""
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    customer = account.store.get("customer", subscription["customer"])
    own = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    if own is not None or behavior == "create_invoice":
        return False
    if behavior == "cancel":
        ending.cancel(account, subscription, ending.Ending())
    else:
        subscription = subscriptions.write(account, subscription, {"status": "paused"})
        record_event(account, "customer.subscription.paused", subscription)
    return True


def _draft_seconds(account: Account, subscription: JsonObject) -> int | None:
    """An invoice that nobody is to be charged for stays a draft."""
    return (
        None if subscription["status"] == "unpaid" or subscription["pause_collection"] else account.terms.draft_seconds
    )


def _let_go(account: Account, subscription: JsonObject, invoice: JsonObject) -> None:
    """While collection is paused, an invoice may be dropped as soon as it is made."""
    behavior = (subscription["pause_collection"] or {}).get("behavior")
    if behavior in ("void", "mark_uncollectible"):
        drop = collecting.void if behavior == "void" else collecting.write_off
        drop(account, collecting.finalize(account, invoice))


def collect_again(account: Account, subscription: JsonObject) -> None:
    """The pause of collection is over."""
    subscriptions.write(account, subscription, {"pause_collection": None})


STEPS: Mapping[str, Callable[[Account, JsonObject], None]] = {
    "announce": announce,
    "cancel": ending.cancel_at_its_time,
    "collect": collect_again,
    "expire": ending.expire,
    "renew": renew,
    "warn": warn,
}


# Invoices.


def tend_invoice(account: Account, id: str) -> None:
    """A deed of the agenda: a draft is finalized and charged, an open invoice is tried again."""
    invoice = account.store.get("invoice", id)
    if not invoice["auto_advance"] or invoice["status"] not in ("draft", "open"):
        return
    if invoice["status"] == "draft":
        invoice = collecting.finalize(account, invoice)
    collecting.collect(account, invoice)
