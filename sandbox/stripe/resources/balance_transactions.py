"""Balance transactions: what charges brought into the account, less Stripe's fee, and what refunds and disputes took out."""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import listing, moment, record, text
from sandbox.stripe.store import JsonObject

AVAILABLE_AFTER_SECONDS = 2 * 24 * 3600
DISPUTE_FEE = 15_00


def book(account: Account, charge: JsonObject) -> JsonObject:
    """What a charge brings in. The fee is 2.9 % + 30 (never more than the amount)."""
    fee = min(charge["amount"], round(charge["amount"] * 0.029) + 30)
    type = "charge" if _is_card(charge) else "payment"
    return _book(
        account,
        charge,
        charge["id"],
        charge["amount"],
        type=type,
        category="charge",
        fee=fee,
        about="Stripe processing fees",
    )


def book_refund(account: Account, charge: JsonObject, refund: JsonObject) -> JsonObject:
    """A refund takes its amount out. Stripe keeps the fee of the charge."""
    type = "refund" if _is_card(charge) else "payment_refund"
    return _book(account, charge, refund["id"], -refund["amount"], type=type, category="refund")


def book_failed_refund(account: Account, charge: JsonObject, refund: JsonObject) -> JsonObject:
    """What came back of a refund that the customer's bank did not take."""
    type = "refund_failure" if _is_card(charge) else "payment_failure_refund"
    return _book(account, charge, refund["id"], refund["amount"], type=type, category="refund_failure")


def book_withdrawal(account: Account, charge: JsonObject, dispute: JsonObject, amount: int) -> JsonObject:
    """A dispute takes the disputed amount out, and costs a fee."""
    return _book(
        account,
        charge,
        dispute["id"],
        -amount,
        type="adjustment",
        category="dispute",
        fee=DISPUTE_FEE,
        about="Dispute fee",
    )


def book_reinstatement(account: Account, charge: JsonObject, dispute: JsonObject, amount: int) -> JsonObject:
    """A dispute that was won brings its amount back, without the fee."""
    return _book(account, charge, dispute["id"], amount, type="adjustment", category="dispute_reversal")


def _book(
    account: Account,
    charge: JsonObject,
    source: str,
    amount: int,
    *,
    type: str,
    category: str,
    fee: int = 0,
    about: str = "",
) -> JsonObject:
    """Amount = fee + net, as always."""
    now = account.clock.second()
    currency = charge["currency"]
    what = {"application": None, "description": about, "type": "stripe_fee"}
    transaction = {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now + AVAILABLE_AFTER_SECONDS,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": charge["description"],
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [{"amount": fee, "currency": currency, **what}] if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending",
        "type": type,
    }
    return account.store.add(transaction)


def _is_card(charge: JsonObject) -> bool:
    return bool(charge["payment_method_details"]["type"] == "card")


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
