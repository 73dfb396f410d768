"""Older generations of Stripe's API: today's objects as an endpoint or a caller of an earlier version is shown them.

What moved when is taken from Stripe's changelog and from its published descriptions of the versions before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.stripe.billing.items import plan
from sandbox.stripe.lists import everything
from sandbox.stripe.store import JsonObject, Store

# From these days on an object has its newer shape.
DAHLIA = "2026-03-25"
INVOICE_PAYMENTS = "2025-06-30"
BASIL = "2025-03-31"
REFUND_EVENTS = "2024-10-28"
CHARGES_APART = "2022-11-15"

# Event types by the day since when there is such a thing.
NEWER_TYPES = {
    "invoice_payment.paid": INVOICE_PAYMENTS,
    "refund.created": REFUND_EVENTS,
    "refund.failed": REFUND_EVENTS,
    "refund.updated": REFUND_EVENTS,
}

Turn = Callable[[Store, JsonObject], JsonObject]


def render(store: Store, body: Any, version: str) -> Any:
    """An object, and all within it, as a version such as `2022-11-15` or `2025-05-28.basil` has it."""
    turns = [(kind, turn) for day, kind, turn in TURNS if version[:10] < day]
    return _turned(store, body, turns) if turns else body


def unknown_types(version: str) -> list[str]:
    """The event types that a version does not have yet."""
    return [type for type, day in NEWER_TYPES.items() if version[:10] < day]


def _turned(store: Store, node: Any, turns: Sequence[tuple[str, Turn]]) -> Any:
    if isinstance(node, list):
        return [_turned(store, element, turns) for element in node]
    if not isinstance(node, dict):
        return node
    turned = {name: _turned(store, value, turns) for name, value in node.items()}
    for kind, turn in turns:
        if turned.get("object") == kind:
            turned = turn(store, turned)
    return turned


def _without(body: Mapping[str, Any], *names: str) -> JsonObject:
    return {name: value for name, value in body.items() if name not in names}


# Before dahlia.


def _hosted(_store: Store, session: JsonObject) -> JsonObject:
    return session | {"ui_mode": session["ui_mode"].removesuffix("_page")}


# Before basil.


def _shipping_beside(_store: Store, session: JsonObject) -> JsonObject:
    collected = session["collected_information"] or {}
    return _without(session, "collected_information") | {"shipping_details": collected.get("shipping_details")}


def _period_above(_store: Store, subscription: JsonObject) -> JsonObject:
    """The period of the whole, beside those of its items, which such endpoints are sent too."""
    parts = subscription["items"]["data"]
    return subscription | {
        "current_period_end": min(item["current_period_end"] for item in parts),
        "current_period_start": max(item["current_period_start"] for item in parts),
        "discount": None,
    }


def _invoice_of_old(store: Store, invoice: JsonObject) -> JsonObject:
    """What bills and what pays it stand in the invoice itself."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    intent = _intent_of(store, invoice)
    return _without(invoice, "parent", "total_taxes", "amount_overpaid", "amount_paid_off_stripe", "status_details") | {
        "application_fee_amount": None,
        "charge": None if intent is None else intent["latest_charge"],
        "discount": None,
        "paid": invoice["status"] == "paid",
        "paid_out_of_band": invoice["amount_paid_off_stripe"] > 0,
        "payment_intent": None if intent is None else intent["id"],
        "quote": None,
        "subscription": details.get("subscription"),
        "subscription_details": {"metadata": details.get("metadata")},
        "tax": None,
        "total_tax_amounts": [],
        "transfer_data": None,
    }


def _intent_of(store: Store, invoice: JsonObject) -> JsonObject | None:
    payments = store.every("invoice_payment", invoice=invoice["id"]) if "id" in invoice else []
    return store.find(payments[0]["payment"]["payment_intent"]) if payments else None


def _line_of_old(store: Store, line: JsonObject) -> JsonObject:
    about = line["parent"][line["parent"]["type"]]
    item = about.get("subscription_item")
    return _without(line, "parent", "pricing", "taxes", "subtotal") | {
        "amount_excluding_tax": line["amount"],
        "invoice_item": about["invoice_item"],
        "plan": _plan(store, item, line["pricing"]["price_details"]["price"]),
        "price": store.find(line["pricing"]["price_details"]["price"]),
        "proration": about["proration"],
        "proration_details": about["proration_details"],
        "subscription": about["subscription"],
        "subscription_item": item,
        "tax_amounts": [],
        "tax_rates": [],
        "type": "invoiceitem" if about["invoice_item"] else "subscription",
        "unit_amount_excluding_tax": line["pricing"]["unit_amount_decimal"],
    }


def _plan(store: Store, item: str | None, price: str) -> JsonObject | None:
    """The old face of the price, as its subscription shows it."""
    if item is None:
        return None
    found = store.find(price)
    return None if found is None or found["recurring"] is None else plan(found)


def _invoice_item_of_old(store: Store, item: JsonObject) -> JsonObject:
    details = item["parent"]["subscription_details"]
    price = store.find(item["pricing"]["price_details"]["price"])
    return _without(item, "parent", "pricing", "proration_details", "net_amount") | {
        "price": price,
        "subscription": details["subscription"],
        "subscription_item": details["subscription_item"],
        "unit_amount": None if price is None else price["unit_amount"],
    }


def _intent_with_invoice(store: Store, intent: JsonObject) -> JsonObject:
    return intent | {"invoice": store.hidden(intent["id"]).get("invoice")}


def _charge_with_invoice(store: Store, charge: JsonObject) -> JsonObject:
    return charge | {"invoice": store.hidden(charge["payment_intent"] or "").get("invoice")}


# Before 2022-11-15.


def _shipping_by_its_old_name(_store: Store, session: JsonObject) -> JsonObject:
    return _without(session, "shipping_details") | {"shipping": session["shipping_details"], "shipping_rate": None}


def _intent_with_charges(store: Store, intent: JsonObject) -> JsonObject:
    """All attempts stand in it, newest first."""
    tried = store.every("charge", payment_intent=intent["id"])[::-1]
    charges = [_charge_with_refunds(store, _charge_with_invoice(store, charge)) for charge in tried]
    return intent | {"charges": everything(charges, f"/v1/charges?payment_intent={intent['id']}")}


def _charge_with_refunds(store: Store, charge: JsonObject) -> JsonObject:
    refunds = store.every("refund", charge=charge["id"])[::-1]
    return charge | {"refunds": everything(refunds, f"/v1/charges/{charge['id']}/refunds")}


# The newest first: an older shape is made from the next newer one.
TURNS: Sequence[tuple[str, str, Turn]] = (
    (DAHLIA, "checkout.session", _hosted),
    (BASIL, "checkout.session", _shipping_beside),
    (BASIL, "subscription", _period_above),
    (BASIL, "invoice", _invoice_of_old),
    (BASIL, "line_item", _line_of_old),
    (BASIL, "invoiceitem", _invoice_item_of_old),
    (BASIL, "payment_intent", _intent_with_invoice),
    (BASIL, "charge", _charge_with_invoice),
    (CHARGES_APART, "checkout.session", _shipping_by_its_old_name),
    (CHARGES_APART, "payment_intent", _intent_with_charges),
    (CHARGES_APART, "charge", _charge_with_refunds),
)
