"""Invoices collected: finalized, charged, tried again; paid, voided, written off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.billing import invoice as invoices
from sandbox.stripe.billing import subscription as subscriptions
from sandbox.stripe.cards import Card, Decline
from sandbox.stripe.money import MINIMUM
from sandbox.stripe.resources import charges, invoice_payments, payment_intents, payment_methods
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

DAY_SECONDS = 86400

NO_METHOD = Decline(
    "invoice_payment_no_method", "This customer has no attached payment source or default payment method."
)
AUTHENTICATION_REQUIRED = Decline(
    "card_declined", "Your card was declined. This transaction requires authentication.", "authentication_required"
)


@dataclass(frozen=True)
class Attempt:
    """One try to collect: the invoice as it is afterwards, and why it failed."""

    invoice: JsonObject
    failure: Decline | None = None
    intent: JsonObject | None = None


# From a draft to something that can be paid.


def finalize(account: Account, invoice: JsonObject, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    """It gets its number, and takes what the customer has left from earlier invoices. It is open then."""
    now, customer = account.clock.second(), account.store.get("customer", invoice["customer"])
    due, left = _settle_balance(invoice["total"] + customer["balance"], invoice["currency"])
    changes = {
        "amount_due": due,
        "amount_remaining": due,
        "auto_advance": True,
        "automatically_finalizes_at": None,
        "effective_at": now,
        "ending_balance": left,
        "hosted_invoice_url": page_address(account, invoice["id"]),
        "number": f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}",
        "starting_balance": customer["balance"],
        "status": "open",
        "status_transitions": invoices.transition(invoice, "finalized_at", now),
    }
    account.store.replace(customer | {"next_invoice_sequence": customer["next_invoice_sequence"] + 1})
    _write_customer(account, customer["id"], cause, balance=left)
    invoice = invoices.write(account, invoice, changes, "invoice.updated", cause)
    invoices.tell(account, invoice, "invoice.finalized", cause=cause)
    return invoice


def page_address(account: Account, id: str) -> str:
    """Where the customer can look at it and pay it."""
    return f"{account.settings.base_url}/i/{id}"


def _settle_balance(due: int, currency: str) -> tuple[int, int]:
    """What is to be paid, and what stays with the customer: a credit (below zero), or too little to be charged."""
    if due <= 0:
        return 0, due
    return (due, 0) if due >= MINIMUM.get(currency, 1) else (0, due)


def _write_customer(account: Account, id: str, cause: Cause, **changes: Any) -> None:
    customer = account.store.get("customer", id)
    changed = account.store.replace(customer | changes)
    if changed != customer:
        record_event(account, "customer.updated", changed, cause, previous=customer)


def intent_for(account: Account, invoice: JsonObject, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    """The payment intent of an open invoice: one over all attempts."""
    found = invoice_payments.intent_of(account, invoice["id"])
    if found is not None:
        return found
    created = invoice["billing_reason"] == "subscription_create"
    asked = {
        "amount": invoice["amount_due"],
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "description": "Subscription creation" if created else "Subscription update",
        "setup_future_usage": "off_session" if created else None,
    }
    intent = payment_intents.make(account, asked, cause, invoice=invoice["id"])
    invoice_payments.make(account, invoice, intent)
    return intent


# One attempt.


def collect(
    account: Account,
    invoice: JsonObject,
    cause: Cause = STRIPE_ITSELF,
    *,
    method: str | None = None,
    on_session: bool = False,
) -> Attempt:
    """Try once to be paid an open invoice, with that payment method or the customer's own.

    `on_session`: the customer is there, so that a card that asks for 3-D Secure is approved by them.
    """
    if invoice["amount_due"] == 0:
        return Attempt(paid(account, invoice, cause))
    by_hand = on_session or cause != STRIPE_ITSELF
    intent, means_id = intent_for(account, invoice, cause), method or method_for(account, invoice)
    if means_id is None:
        return _failed(account, invoice, intent, NO_METHOD, cause, by_hand)
    means, kept = payment_methods.means_of(account, means_id), account.store.get("payment_method", means_id)
    intent = intent | {"status": "requires_payment_method", "next_action": None}
    if isinstance(means, Card) and means.behaviour.asks_again and not on_session:
        intent = payment_intents.require_action(account, intent, means_id, page_address(account, invoice["id"]))
        invoices.tell(account, invoice, "invoice.payment_action_required", cause=cause)
        return _failed(account, invoice, intent, AUTHENTICATION_REQUIRED, cause, by_hand)
    charge = charges.make(account, intent, kept, means)
    # A debit takes days only on a page: of later ones the outcome is known at once.
    refusal = means.behaviour.decline if isinstance(means, Card) else means.account.failure
    if refusal is not None:
        charges.fail(account, charge, refusal)
        intent = payment_intents.fail(account, intent, refusal, kept, charge["id"])
        return _failed(account, invoice, intent, refusal, cause, by_hand)
    intent = payment_intents.succeed(account, intent, charges.succeed(account, charge))
    return Attempt(paid(account, invoice, cause), intent=intent)


def returned(account: Account, invoice: JsonObject, why: Decline) -> None:
    """A bank sent no money for it after all. The attempt was counted when it was made."""
    intent = invoice_payments.intent_of(account, invoice["id"])
    assert intent is not None, "a bank was asked for it"
    _failed(account, invoice, intent, why, STRIPE_ITSELF, by_hand=True)


def method_for(account: Account, invoice: JsonObject) -> str | None:
    """The payment method of the invoice, else of its subscription, else of its customer."""
    subscription = invoices.subscription_of(account, invoice) or {}
    customer = account.store.get("customer", invoice["customer"])
    own: str | None = (
        invoice["default_payment_method"]
        or subscription.get("default_payment_method")
        or customer["invoice_settings"]["default_payment_method"]
    )
    return own


def _failed(
    account: Account, invoice: JsonObject, intent: JsonObject, why: Decline, cause: Cause, by_hand: bool
) -> Attempt:
    """Only the first attempt and those that nobody asked for are counted; after the last of these it is given up."""
    counts = not by_hand or not invoice["attempted"]
    counted = invoice["attempt_count"] + (1 if counts else 0)
    changes = {"attempt_count": counted, "attempted": True}
    if counts:
        changes["next_payment_attempt"] = _next_attempt(account, invoice, counted)
    invoice = invoices.write(account, invoice, changes, "invoice.updated", cause)
    invoices.tell(account, invoice, "invoice.payment_failed", cause=cause)
    subscription = invoices.subscription_of(account, invoice)
    if subscription is not None and subscription["status"] in ("active", "trialing"):
        subscriptions.write(account, subscription, {"status": "past_due"}, cause)
    _write_customer(account, invoice["customer"], cause, delinquent=True)
    if counts and invoice["next_payment_attempt"] is None and invoice["billing_reason"] != "subscription_create":
        account.agenda.plan("give_up_invoice", invoice["id"], account.clock.now(), invoice["test_clock"])
    return Attempt(invoice, why, intent)


def _next_attempt(account: Account, invoice: JsonObject, counted: int) -> int | None:
    """A first invoice is not tried again: its subscription is incomplete, and expires."""
    retry_days = account.terms.retry_days
    if invoice["billing_reason"] == "subscription_create" or counted > len(retry_days):
        return None
    return account.clock.second() + int(retry_days[counted - 1] * DAY_SECONDS)


# How an invoice ends.


def paid(
    account: Account, invoice: JsonObject, cause: Cause = STRIPE_ITSELF, *, out_of_band: bool = False
) -> JsonObject:
    """The money is there, or nothing was due. What waited for it goes on."""
    now, due = account.clock.second(), invoice["amount_due"]
    invoice_payments.close(account, invoice["id"], "canceled" if out_of_band else "paid", cause)
    changes = {
        "amount_paid": due,
        "amount_paid_off_stripe": due if out_of_band else 0,
        "amount_remaining": 0,
        "attempt_count": max(invoice["attempt_count"], 1 if due and not out_of_band else 0),
        "attempted": True,
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": "paid",
        "status_transitions": invoices.transition(invoice, "paid_at", now),
        "webhooks_delivered_at": now,
    }
    invoice = invoices.write(account, invoice, changes, "invoice.paid", cause)
    invoices.tell(account, invoice, "invoice.payment_succeeded", cause=cause)
    _go_on(account, invoice, cause)
    return invoice


def void(account: Account, invoice: JsonObject, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    """As if it had never been: nobody owes it."""
    return _end(account, invoice, "void", "voided_at", "invoice.voided", cause)


def write_off(account: Account, invoice: JsonObject, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    """It is owed, and not expected to be paid any more."""
    return _end(account, invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible", cause)


def _end(account: Account, invoice: JsonObject, status: str, stamp: str, type: str, cause: Cause) -> JsonObject:
    changes = {
        "auto_advance": False,
        "next_payment_attempt": None,
        "status": status,
        "status_transitions": invoices.transition(invoice, stamp, account.clock.second()),
    }
    if status == "void":
        cancel_intent(account, invoice, cause)
    invoice = invoices.write(account, invoice, changes, type, cause)
    _go_on(account, invoice, cause)
    return invoice


def cancel_intent(account: Account, invoice: JsonObject, cause: Cause) -> None:
    intent = invoice_payments.intent_of(account, invoice["id"])
    if intent is not None and intent["status"] in payment_intents.CANCELABLE:
        payment_intents.end(account, intent, "void_invoice", cause)
        invoice_payments.close(account, invoice["id"], "canceled", cause)


def _go_on(account: Account, invoice: JsonObject, cause: Cause) -> None:
    """A subscription that waited for this invoice, the newest or the last that was open, is in order again."""
    _write_customer(account, invoice["customer"], cause, delinquent=bool(_owed(account, customer=invoice["customer"])))
    subscription = invoices.subscription_of(account, invoice)
    if subscription is None:
        return
    open_ones = [one for one in _owed(account, customer=invoice["customer"]) if bills(one, subscription)]
    awaited = subscription["latest_invoice"] == invoice["id"] or not open_ones
    is_paid = invoice["status"] == "paid"
    if subscription["status"] == "incomplete" and invoice["status"] == "void":
        subscriptions.write(account, subscription, {"status": "incomplete_expired"}, cause)
    elif subscription["status"] in ("past_due", "unpaid", *(("incomplete", "paused") if is_paid else ())) and awaited:
        trialing = (subscription["trial_end"] or 0) > account.clock.second()
        subscriptions.write(account, subscription, {"status": "trialing" if trialing else "active"}, cause)


def _owed(account: Account, **whose: str) -> list[JsonObject]:
    """Open invoices that were tried in vain."""
    return [one for one in account.store.every("invoice", status="open", **whose) if one["attempted"]]


def bills(invoice: JsonObject, subscription: JsonObject) -> bool:
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return bool(details.get("subscription") == subscription["id"])
