"""Refunds: money of a charge that goes back, at once, later, or not after all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.errors import StripeRefusal, wrong_state
from sandbox.stripe.ids import new_id, random_text
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.money import written
from sandbox.stripe.parameters import boolean, choice, email, integer, listing, metadata, moment, record, text
from sandbox.stripe.resources import balance_transactions, disputes
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

# What becomes of a refund to these cards. Source: Stripe's page on testing, "Refunds".
PENDING_FIRST = "4000000000007726"
FAILS_LATER = "4000000000005126"

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
OVER = ("failed", "canceled")


# What becomes of a refund. Each step writes the new state, of its charge too, and its events.


def make(
    account: Account, charge: JsonObject, amount: int, parameters: Mapping[str, Any], cause: Cause = STRIPE_ITSELF
) -> JsonObject:
    """Give so much of a charge back. To most cards it succeeds at once."""
    number = account.store.hidden(charge["id"]).get("number")
    refund = {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.clock.second(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": _destination(charge),
        "metadata": parameters.get("metadata", {}),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "presentment_details": None,
        "reason": parameters.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    if number == PENDING_FIRST or charge["payment_method_details"]["type"] != "card":
        refund |= {"status": "pending", "pending_reason": "processing"}
    refund["balance_transaction"] = balance_transactions.book_refund(account, charge, refund)["id"]
    account.store.add(refund)
    record_event(account, "refund.created", refund, cause)
    charge = _counted(account, charge)
    record_event(account, "charge.refunded", charge, cause, {"amount_refunded": charge["amount_refunded"] - amount})
    _plan(account, refund, number)
    disputes.close_inquiries(account, charge)
    return refund


def _destination(charge: JsonObject) -> dict[str, Any]:
    kind = charge["payment_method_details"]["type"]
    if kind != "card":
        return {kind: {"reference": None, "reference_status": "pending"}, "type": kind}
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return {"card": card, "type": "card"}


def _plan(account: Account, refund: JsonObject, number: str | None) -> None:
    """What Stripe does later by itself."""
    now = account.clock.now()
    if refund["status"] == "pending" or number == FAILS_LATER:
        account.agenda.plan("settle_refund", refund["id"], now + account.settings.refund_seconds)
    else:
        account.agenda.plan("refer_refund", refund["id"], now + account.settings.booking_seconds)


def settle_when_due(account: Account, id: str) -> None:
    """A deed of the agenda: what was pending succeeds, what had succeeded comes back."""
    refund = account.store.get("refund", id)
    if refund["status"] == "pending":
        succeed(account, refund)
    elif refund["status"] == "succeeded":
        fail(account, refund, "expired_or_canceled_card")


def refer(account: Account, id: str) -> None:
    """A deed of the agenda: the reference by which the customer's bank knows the refund."""
    refund = account.store.get("refund", id)
    before = refund["destination_details"]
    card = {**before["card"], "reference": random_text(23), "reference_status": "available"}
    refund = account.store.replace(refund | {"destination_details": {**before, "card": card}})
    _tell(account, refund, STRIPE_ITSELF, {"destination_details": before})


def succeed(account: Account, refund: JsonObject) -> JsonObject:
    return _move(account, refund, "succeeded")


def require_action(account: Account, refund: JsonObject) -> JsonObject:
    """The customer must say first where the money should go."""
    return _move(account, refund, "requires_action")


def fail(account: Account, refund: JsonObject, reason: str) -> JsonObject:
    """The customer's bank did not take it: the money is in the account again."""
    charge = account.store.get("charge", refund["charge"])
    booked = balance_transactions.book_failed_refund(account, charge, refund)
    refund |= {"failure_balance_transaction": booked["id"], "failure_reason": reason}
    return _move(account, refund, "failed")


def cancel(account: Account, refund: JsonObject, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    return _move(account, refund, "canceled", cause)


def _move(account: Account, refund: JsonObject, status: str, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    account.agenda.strike("settle_refund", refund["id"])
    before = {"status": refund["status"]}
    refund = {name: value for name, value in refund.items() if name != "pending_reason"} | {"status": status}
    account.store.replace(refund)
    if status in OVER:
        _counted(account, account.store.get("charge", refund["charge"]))
    if status == "failed":
        record_event(account, "refund.failed", refund, cause)
    _tell(account, refund, cause, before)
    return refund


def _tell(account: Account, refund: JsonObject, cause: Cause, previous: dict[str, Any]) -> None:
    record_event(account, "refund.updated", refund, cause, previous)
    record_event(account, "charge.refund.updated", refund, cause, previous)


def _counted(account: Account, charge: JsonObject) -> JsonObject:
    """The charge with what has gone back of it, refunds that are pending among that."""
    refunds = account.store.every("refund", charge=charge["id"])
    back = sum(refund["amount"] for refund in refunds if refund["status"] not in OVER)
    return account.store.replace(charge | {"amount_refunded": back, "refunded": back == charge["amount"]})


# The calls.


def create(call: Call) -> JsonObject:
    charge = _charge(call)
    left = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"] and not disputes.leave_refundable(call.account, charge):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise wrong_state(message, "charge_disputed")
    if left == 0:
        raise wrong_state(f"Charge {charge['id']} has already been refunded.", "charge_already_refunded")
    amount = call.params.get("amount", left)
    if amount > left:
        asked, there = written(amount, charge["currency"]), written(left, charge["currency"])
        raise wrong_state(
            f"Refund amount ({asked}) is greater than unrefunded amount on charge ({there})", param="amount"
        )
    return make(call.account, charge, amount, call.params, call.cause)


def _charge(call: Call) -> JsonObject:
    """The charge that is named, or the one that succeeded of the payment intent that is."""
    store, params = call.account.store, call.params
    if "charge" not in params and "payment_intent" not in params:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise StripeRefusal(400, message, code="parameter_missing")
    charge = store.get("charge", params["charge"], "charge") if "charge" in params else None
    if "payment_intent" in params:
        intent = store.get("payment_intent", params["payment_intent"], "payment_intent")
        if charge is not None and charge["payment_intent"] != intent["id"]:
            message = f"The charge {charge['id']} does not belong to the PaymentIntent {intent['id']}."
            raise StripeRefusal(400, message, param="payment_intent")
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise wrong_state(message, "payment_intent_unexpected_state")
        charge = store.get("charge", intent["latest_charge"])
    assert charge is not None, "one of the two was named"
    if charge["status"] != "succeeded":
        raise wrong_state(f"Charge {charge['id']} is {charge['status']}; cannot issue a refund.")
    return charge


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("refund", call.path["id"])


def update(call: Call) -> JsonObject:
    refund = retrieve(call)
    changed = refund["metadata"] | call.params.get("metadata", {})
    before = {"metadata": refund["metadata"]}
    if changed == refund["metadata"]:
        return refund
    refund = call.account.store.replace(refund | {"metadata": changed})
    _tell(call.account, refund, call.cause, before)
    return refund


def cancel_one(call: Call) -> JsonObject:
    """What waits for its customer. (Pending ones are canceled in the dashboard.)"""
    refund = retrieve(call)
    if refund["status"] != "requires_action":
        message = f"Refund {refund['id']} cannot be canceled because it has a status of {refund['status']}."
        raise wrong_state(message)
    return cancel(call.account, refund, call.cause)


def list_refunds(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "charge", "payment_intent"))
    return listed(call.account.store, "refund", "/v1/refunds", page)


CREATE = record(
    amount=integer(1),
    charge=text(),
    instructions_email=email(),
    metadata=metadata(),
    payment_intent=text(),
    reason=choice(*REASONS),
    refund_application_fee=boolean(),
    reverse_transfer=boolean(),
)

ENDPOINTS = (
    Endpoint("POST", "/v1/refunds", create, CREATE),
    Endpoint("GET", "/v1/refunds", list_refunds, listing(charge=text(), created=moment(), payment_intent=text())),
    Endpoint("GET", "/v1/refunds/{id}", retrieve, record()),
    Endpoint("POST", "/v1/refunds/{id}", update, record(metadata=metadata())),
    Endpoint("POST", "/v1/refunds/{id}/cancel", cancel_one, record()),
)
