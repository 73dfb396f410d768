"""Charges: single attempts to take money, good or bad."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.banks import BankDebit
from sandbox.stripe.cards import Card, Decline
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.means import Means
from sandbox.stripe.parameters import listing, moment, record, text
from sandbox.stripe.resources import balance_transactions, disputes
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

STATEMENT = "SANDBOX"


def make(account: Account, intent: JsonObject, method: JsonObject, means: Means) -> JsonObject:
    """A pending charge of the whole amount; `succeed` or `fail` it."""
    charge = {
        "id": new_id("ch" if isinstance(means, Card) else "py"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": STATEMENT,
        "captured": False,
        "created": account.clock.second(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "destination": None,
        "dispute": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "order": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _details(intent, means),
        "presentment_details": None,
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }
    return account.store.add(charge, number=means.number if isinstance(means, Card) else None)


def _details(intent: JsonObject, means: Means) -> dict[str, Any]:
    if isinstance(means, BankDebit):
        return {"type": means.kind, means.kind: {**means.shown(), "expected_debit_date": None, "mandate": None}}
    off = {"status": "unavailable"}
    card = {
        **means.shown(),
        "amount_authorized": intent["amount"],
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": off,
        "installments": None,
        "mandate": None,
        "multicapture": off,
        "network": means.behaviour.brand,
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": intent["amount"], **off},
        "three_d_secure": _three_d_secure() if means.behaviour.asks_3ds else None,
    }
    return {"type": "card", "card": card}


def _three_d_secure() -> dict[str, Any]:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": new_id("dst"),
        "version": "2.2.0",
    }


def succeed(account: Account, charge: JsonObject) -> JsonObject:
    """The money is taken. It is booked a little later, which is another event."""
    charge |= {
        "amount_captured": charge["amount"],
        "captured": True,
        "outcome": _outcome("authorized", "approved_by_network", None, "Payment complete."),
        "paid": True,
        "status": "succeeded",
    }
    account.store.replace(charge)
    record_event(account, "charge.succeeded", charge)
    account.agenda.plan("book_charge", charge["id"], account.clock.wall() + account.settings.booking_seconds)
    disputes.plan_for(account, charge)
    return charge


def fail(account: Account, charge: JsonObject, why: Decline) -> JsonObject:
    network_status = "not_sent_to_network" if why.blocked else "declined_by_network"
    type = "blocked" if why.blocked else "issuer_declined"
    charge |= {
        "failure_code": why.code,
        "failure_message": why.message,
        "outcome": _outcome(type, network_status, why.decline_code, "The bank did not accept the payment."),
        "status": "failed",
    }
    charge["outcome"]["advice_code"] = why.advice_code
    account.store.replace(charge)
    record_event(account, "charge.failed", charge)
    return charge


def _outcome(type: str, network_status: str, reason: str | None, seller_message: str) -> dict[str, Any]:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": reason,
        "risk_level": "highest" if type == "blocked" else "normal",
        "risk_score": 92 if type == "blocked" else 12,
        "seller_message": seller_message,
        "type": type,
    }


def book(account: Account, id: str) -> None:
    """A deed of the agenda: the charge gets its balance transaction (asynchronous capture)."""
    charge = account.store.get("charge", id)
    charge["balance_transaction"] = balance_transactions.book(account, charge)["id"]
    account.store.replace(charge)
    record_event(account, "charge.updated", charge, previous={"balance_transaction": None})


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("charge", call.path["id"])


def list_charges(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "customer", "payment_intent"))
    return listed(call.account.store, "charge", "/v1/charges", page)


ENDPOINTS = (
    Endpoint("GET", "/v1/charges", list_charges, listing(created=moment(), customer=text(), payment_intent=text())),
    Endpoint("GET", "/v1/charges/{id}", retrieve, record()),
)
