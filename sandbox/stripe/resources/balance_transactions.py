"""Balance transactions: what a charge brought into the account, less Stripe's fee."""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import listing, moment, record, text
from sandbox.stripe.store import JsonObject

AVAILABLE_AFTER_SECONDS = 2 * 24 * 3600


def book(account: Account, charge: JsonObject) -> JsonObject:
    """Amount = fee + net, as always. The fee is 2.9 % + 30 (never more than the amount)."""
    now = account.clock.second()
    fee = min(charge["amount"], round(charge["amount"] * 0.029) + 30)
    currency = charge["currency"]
    about_fee = {"application": None, "description": "Stripe processing fees", "type": "stripe_fee"}
    transaction = {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": charge["amount"],
        "available_on": now + AVAILABLE_AFTER_SECONDS,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": charge["description"],
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [{"amount": fee, "currency": currency, **about_fee}],
        "net": charge["amount"] - fee,
        "reporting_category": "charge",
        "source": charge["id"],
        "status": "pending",
        "type": "charge" if charge["payment_method_details"]["type"] == "card" else "payment",
    }
    return account.store.add(transaction)


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("balance_transaction", call.path["id"])


def list_transactions(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "currency", "source", "type"))
    return listed(call.account.store, "balance_transaction", "/v1/balance_transactions", page)


LIST = listing(created=moment(), currency=text(), source=text(), type=text())

ENDPOINTS = (
    Endpoint("GET", "/v1/balance_transactions", list_transactions, LIST),
    Endpoint("GET", "/v1/balance_transactions/{id}", retrieve, record()),
)
