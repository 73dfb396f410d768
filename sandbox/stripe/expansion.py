"""`expand`: ids inside an object replaced by the objects they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.lists import everything
from sandbox.stripe.store import JsonObject, Store

DEEPEST = 4

# Fields that hold an id, and may be asked to hold its object.
EXPANDABLE: Mapping[str, frozenset[str]] = {
    "charge": frozenset({"balance_transaction", "customer", "payment_intent"}),
    "checkout.session": frozenset({"customer", "invoice", "payment_intent", "subscription"}),
    "balance_transaction": frozenset({"source"}),
    "dispute": frozenset({"charge", "payment_intent"}),
    "invoice": frozenset({"customer", "default_payment_method"}),
    "invoice_payment": frozenset({"invoice"}),
    "invoiceitem": frozenset({"customer", "invoice"}),
    "payment_intent": frozenset({"customer", "latest_charge", "payment_method"}),
    "payment_method": frozenset({"customer"}),
    "price": frozenset({"product"}),
    "product": frozenset({"default_price"}),
    "refund": frozenset(
        {"balance_transaction", "charge", "customer", "failure_balance_transaction", "payment_intent", "payment_method"}
    ),
    "subscription": frozenset({"customer", "default_payment_method", "latest_invoice", "test_clock"}),
}


def _line_items(store: Store, session: JsonObject) -> JsonObject:
    items = store.hidden(session["id"])["line_items"]
    return everything(items, f"/v1/checkout/sessions/{session['id']}/line_items")


def _refunds(store: Store, charge: JsonObject) -> JsonObject:
    """Newest first, as everywhere."""
    return everything(store.every("refund", charge=charge["id"])[::-1], f"/v1/charges/{charge['id']}/refunds")


def _payments(store: Store, invoice: JsonObject) -> JsonObject:
    paid_by = store.every("invoice_payment", invoice=invoice["id"])
    return everything(paid_by, f"/v1/invoice_payments?invoice={invoice['id']}")


def _confirmation_secret(store: Store, invoice: JsonObject) -> JsonObject | None:
    """What a page needs to pay an open invoice with the payment intent's own secret."""
    for payment in _payments(store, invoice)["data"]:
        intent = store.find(payment["payment"]["payment_intent"])
        if intent is not None and invoice["status"] == "open":
            return {"client_secret": intent["client_secret"], "type": "payment_intent"}
    return None


# What is not in an object unless asked for.
INCLUDABLE: Mapping[tuple[str, str], Callable[[Store, JsonObject], JsonObject | None]] = {
    ("charge", "refunds"): _refunds,
    ("checkout.session", "line_items"): _line_items,
    ("invoice", "confirmation_secret"): _confirmation_secret,
    ("invoice", "payments"): _payments,
}

# Fields of hashes within objects, which have no `object` to be known by.
EXPANDABLE_WITHIN = frozenset({"payment_intent", "default_payment_method", "subscription", "price"})


def expand(store: Store, body: JsonObject, paths: Sequence[str]) -> JsonObject:
    """Expand `latest_charge.balance_transaction`-like paths in place. An unknown one is refused (400)."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEEPEST:
            message = f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}"
            raise StripeRefusal(400, message)
        _walk(store, body, steps, path)
    return body


def _walk(store: Store, node: Any, steps: Sequence[str], path: str) -> None:
    if not steps or node is None:
        return
    if isinstance(node, list):
        for element in node:
            _walk(store, element, steps, path)
        return
    step, *rest = steps
    _open(store, node, step, path)
    _walk(store, node[step], rest, path)


def _open(store: Store, node: Any, step: str, path: str) -> None:
    """Make `node[step]` hold an object (or None). Raises a refusal where it cannot."""
    kind = node.get("object") if isinstance(node, dict) else None
    if (kind, step) in INCLUDABLE:
        node[step] = INCLUDABLE[kind, step](store, node)  # type: ignore[index]
    elif step in EXPANDABLE.get(str(kind), ()):
        if isinstance(node[step], str):
            node[step] = store.find(node[step])
    elif kind is None and isinstance(node, dict) and step in EXPANDABLE_WITHIN and isinstance(node.get(step), str):
        node[step] = store.find(node[step])
    elif not isinstance(node, dict) or not isinstance(node.get(step), (dict, list)):
        message = f"This property cannot be expanded ({path})."
        raise StripeRefusal(400, message)
