"""How a subscription ends: at once, at its time, or because nobody paid."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.billing import collecting, pending, usage
from sandbox.stripe.billing import invoice as invoices
from sandbox.stripe.billing import subscription as subscriptions
from sandbox.stripe.billing.items import is_metered
from sandbox.stripe.store import JsonObject


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why a subscription ends now, and what is still to be billed.

    `invoice` bills what was used and not yet billed and what waits; `prorate` gives back what is left of the period.
    """

    reason: str = "cancellation_requested"
    cause: Cause = STRIPE_ITSELF
    invoice: bool = False
    prorate: bool = False


def cancel(account: Account, subscription: JsonObject, ending: Ending) -> JsonObject:
    """It has ended, and takes no more money by itself."""
    now = account.clock.second()
    if ending.prorate and subscription["status"] != "trialing":
        for item in subscription["items"]["data"]:
            if not is_metered(item["price"]):
                pending.add(account, subscription, pending.credit(account, item, now), ending.cause)
    if ending.invoice:
        subscription = _bill_the_rest(account, subscription, ending.cause)
    elif not ending.prorate:
        pending.remove(account, subscription, ending.cause)
    details = subscription["cancellation_details"]
    changes = {
        "canceled_at": subscription["canceled_at"] or now,
        "cancellation_details": {**details, "reason": details["reason"] or ending.reason},
        "ended_at": now,
        "status": "canceled",
    }
    subscription = subscriptions.write(account, subscription, changes, ending.cause, "customer.subscription.deleted")
    _stop_collecting(account, subscription, ending.cause)
    return subscription


def cancel_at_its_time(account: Account, subscription: JsonObject) -> None:
    """At the end of a period that somebody asked for: what was used in it is billed."""
    cancel(account, subscription, Ending(invoice=True))


def _bill_the_rest(account: Account, subscription: JsonObject, cause: Cause) -> JsonObject:
    now, parts = account.clock.second(), subscription["items"]["data"]
    lines = []
    for item in parts:
        period = (item["current_period_start"], min(now, item["current_period_end"]))
        quantity = (
            usage.used(account, subscription["customer"], item["price"], period) if is_metered(item["price"]) else 0
        )
        if quantity:
            lines.append(invoices.usage_line(account, item, quantity, period))
    lines += pending.lines(account, subscription)
    if not lines:
        return subscription
    period = (min(item["current_period_start"] for item in parts), now)
    occasion = invoices.Occasion(reason="subscription_update", period=period, cause=cause)
    invoice = invoices.draft(account, subscription, lines, occasion)
    pending.billed(account, invoice)
    subscription = subscriptions.write_silently(account, subscription, {"latest_invoice": invoice["id"]})
    collecting.collect(account, collecting.finalize(account, invoice, cause), cause)
    return account.store.get("subscription", subscription["id"])


def _stop_collecting(account: Account, subscription: JsonObject, cause: Cause) -> None:
    for invoice in account.store.every("invoice", customer=subscription["customer"], auto_advance=True):
        if collecting.bills(invoice, subscription):
            stopped = {"auto_advance": False, "next_payment_attempt": None}
            invoices.write(account, invoice, stopped, "invoice.updated", cause)


def expire(account: Account, subscription: JsonObject) -> None:
    """Nobody paid its first invoice in 23 hours: that is void, and with it the subscription has ended."""
    invoice = account.store.find(subscription["latest_invoice"] or "")
    if invoice is not None and invoice["status"] == "open":
        collecting.void(account, invoice)
    else:
        subscriptions.write(account, subscription, {"status": "incomplete_expired"})


def give_up(account: Account, id: str) -> None:
    """A deed of the agenda: no attempt to collect this invoice is left. The account's terms say what follows."""
    invoice = account.store.get("invoice", id)
    subscription = invoices.subscription_of(account, invoice)
    if invoice["status"] != "open" or subscription is None or subscriptions.has_ended(subscription):
        return
    follows = account.terms.after_retries
    if follows == "cancel":
        cancel(account, subscription, Ending(reason="payment_failed"))
    elif follows == "unpaid":
        subscriptions.write(account, subscription, {"status": "unpaid"})
