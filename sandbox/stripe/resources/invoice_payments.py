"""Invoice payments: the way from an invoice to the payment intent that pays it."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import choice, listing, moment, record, text
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

STATUSES = ("open", "paid", "canceled")


def make(account: Account, invoice: JsonObject, intent: JsonObject) -> JsonObject:
    """Still open: `close` it as paid or canceled."""
    payment = {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": account.clock.second(),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    return account.store.add(payment)


def of(account: Account, invoice: str) -> JsonObject | None:
    """The invoice's payment. None where nothing was due."""
    payments = account.store.every("invoice_payment", invoice=invoice)
    return payments[0] if payments else None


def intent_of(account: Account, invoice: str) -> JsonObject | None:
    payment = of(account, invoice)
    return None if payment is None else account.store.get("payment_intent", payment["payment"]["payment_intent"])


def invoice_of(account: Account, intent: str) -> str | None:
    """The id of the invoice that a payment intent pays."""
    paid = account.store.every("invoice_payment", **{"payment.payment_intent": intent})
    return paid[0]["invoice"] if paid else None


def close(account: Account, invoice: str, status: str, cause: Cause = STRIPE_ITSELF) -> None:
    """Paid in full, or canceled with its invoice."""
    payment = of(account, invoice)
    if payment is None or payment["status"] != "open":
        return
    payment["status"] = status
    payment["status_transitions"][f"{status}_at"] = account.clock.second()
    if status == "paid":
        payment["amount_paid"] = payment["amount_requested"]
    account.store.replace(payment)
    if status == "paid":
        record_event(account, "invoice_payment.paid", payment, cause)


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("invoice_payment", call.path["id"])


def list_payments(call: Call) -> JsonObject:
    equal = given(call.params, "invoice", "status")
    told: dict[str, Any] = call.params.get("payment", {})
    if "payment_intent" in told:
        equal["payment.payment_intent"] = told["payment_intent"]
    return listed(call.account.store, "invoice_payment", "/v1/invoice_payments", page_of(call.params, equal=equal))


LIST = listing(
    created=moment(),
    invoice=text(),
    payment=record(["type"], type=choice("payment_intent", "payment_record"), payment_intent=text()),
    status=choice(*STATUSES),
)

ENDPOINTS = (
    Endpoint("GET", "/v1/invoice_payments", list_payments, LIST),
    Endpoint("GET", "/v1/invoice_payments/{id}", retrieve, record()),
)
