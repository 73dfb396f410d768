"""The invoice object: its shape, its lines, and what is written into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.billing import items
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import everything
from sandbox.stripe.money import written
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """Why an invoice is made (its `billing_reason`), and for which time: (start, end)."""

    reason: str
    period: tuple[int, int]
    cause: Cause = STRIPE_ITSELF
    draft_seconds: int | None = None  # Until it is finalized by itself; None where the caller does that at once


def draft(account: Account, subscription: JsonObject, lines: list[JsonObject], occasion: Occasion) -> JsonObject:
    """A draft of these lines, written and announced."""
    now, customer = account.clock.second(), account.store.get("customer", subscription["customer"])
    invoice = _shape(new_id("in"), subscription, customer, lines, occasion, now)
    if occasion.draft_seconds is not None:
        invoice |= {"auto_advance": True, "automatically_finalizes_at": now + occasion.draft_seconds}
    account.store.add(invoice)
    record_event(account, "invoice.created", invoice, occasion.cause)
    plan_next(account, invoice)
    return invoice


def preview(account: Account, subscription: JsonObject, lines: list[JsonObject], occasion: Occasion) -> JsonObject:
    """An invoice that is not made yet: it has no id, and is not kept."""
    customer = account.store.get("customer", subscription["customer"])
    shown = _shape("upcoming", subscription, customer, lines, occasion, account.clock.second())
    due = subscription["items"]["data"][0]["current_period_start"]
    return {name: value for name, value in shown.items() if name != "id"} | {"next_payment_attempt": due}


def _shape(
    id: str, subscription: JsonObject, customer: JsonObject, lines: list[JsonObject], occasion: Occasion, now: int
) -> JsonObject:
    total = sum(line["amount"] for line in lines)
    due = max(0, total + customer["balance"])
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    return {
        "id": id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        "account_tax_ids": None,
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": due,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": occasion.reason,
        "collection_method": subscription["collection_method"],
        "created": now,
        "currency": subscription["currency"],
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": listed_lines(id, lines),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": occasion.period[1],
        "period_start": occasion.period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": customer["balance"],
        "statement_descriptor": None,
        "status": "draft",
        "status_details": None,
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": subscription["test_clock"],
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def listed_lines(id: str, lines: list[JsonObject]) -> JsonObject:
    numbered = [line | {"invoice": id} for line in lines]
    return everything(numbered, f"/v1/invoices/{id}/lines") | {"total_count": len(numbered)}


# Its lines.


def line_of(account: Account, item: JsonObject, *, trial: bool = False) -> JsonObject:
    """A subscription item's present period, paid beforehand; free during a trial."""
    amount = 0 if trial else items.amount(item)
    period = (item["current_period_start"], item["current_period_end"])
    told = f"Trial period for {_name(account, item)}" if trial else _charged(account, item, item.get("quantity") or 0)
    return item_line(item, amount, period, told, item.get("quantity") or 0)


def usage_line(account: Account, item: JsonObject, quantity: int, period: tuple[int, int]) -> JsonObject:
    """What was used of a metered item in a period that is over."""
    amount = item["price"]["unit_amount"] * quantity
    return item_line(item, amount, period, _charged(account, item, quantity), quantity)


def item_line(item: JsonObject, amount: int, period: tuple[int, int], description: str, quantity: int) -> JsonObject:
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": item["subscription"],
        "subscription_item": item["id"],
    }
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": details,
        "type": "subscription_item_details",
    }
    return line(item["price"], amount, period, description, quantity, parent)


def line(
    price: JsonObject, amount: int, period: tuple[int, int], description: str, quantity: int, parent: JsonObject
) -> JsonObject:
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": {"end": period[1], "start": period[0]},
        "pretax_credit_amounts": [],
        "pricing": pricing(price),
        "quantity": quantity,
        "subtotal": amount,
        "taxes": [],
    }


def pricing(price: JsonObject) -> JsonObject:
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def day(second: int) -> str:
    """As people write it, in UTC: `03 Oct 2026`."""
    return datetime.fromtimestamp(second, UTC).strftime("%d %b %Y")


def _charged(account: Account, item: JsonObject, quantity: int) -> str:
    price = item["price"]
    each = written(price["unit_amount"], price["currency"])
    interval, count = items.rhythm(price)
    often = interval if count == 1 else f"every {count} {interval}s"
    return f"{quantity} \N{MULTIPLICATION SIGN} {_name(account, item)} (at {each} / {often})"


def _name(account: Account, item: JsonObject) -> str:
    product = account.store.find(item["price"]["product"]) or {}
    return str(product.get("name", item["price"]["product"]))


# What is written into it.


def write(
    account: Account,
    invoice: JsonObject,
    changes: Mapping[str, Any],
    type: str | None = None,
    cause: Cause = STRIPE_ITSELF,
) -> JsonObject:
    """Change it, tell of it under a name (None: say nothing), and plan anew what it will do next."""
    changed = account.store.replace({**invoice, **changes})
    if type is not None:
        record_event(account, type, changed, cause, previous=invoice if type == "invoice.updated" else None)
    plan_next(account, changed)
    return changed


def tell(account: Account, invoice: JsonObject, *types: str, cause: Cause = STRIPE_ITSELF) -> None:
    """Say that something happened to it as it is now."""
    for type in types:
        record_event(account, type, invoice, cause)


def transition(invoice: JsonObject, name: str, second: int) -> JsonObject:
    """Its `status_transitions` with one of them set."""
    return {**invoice["status_transitions"], name: second}


def plan_next(account: Account, invoice: JsonObject) -> None:
    """At most one deed of the agenda per invoice: to be finalized, or to be tried again."""
    account.agenda.strike("tend_invoice", invoice["id"])
    due = invoice["automatically_finalizes_at"] if invoice["status"] == "draft" else invoice["next_payment_attempt"]
    if invoice["auto_advance"] and due is not None and invoice["status"] in ("draft", "open"):
        account.agenda.plan("tend_invoice", invoice["id"], due, invoice["test_clock"])


def subscription_of(account: Account, invoice: JsonObject) -> JsonObject | None:
    """The subscription that it bills."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return account.store.find(details["subscription"]) if details else None
