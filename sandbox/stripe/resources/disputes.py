"""Disputes: a cardholder's bank takes the money back, or asks first; evidence decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.errors import wrong_state
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import boolean, listing, metadata, moment, record, text
from sandbox.stripe.resources import balance_transactions
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

EVIDENCE_DUE_AFTER_SECONDS = 7 * 24 * 3600

OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
AWAITS_EVIDENCE = ("needs_response", "warning_needs_response")

# What these texts, given as `uncategorized_text`, lead to. Source: Stripe's page on testing, "Evidence".
WINNING, LOSING, ESCALATING = "winning_evidence", "losing_evidence", "escalate_inquiry_evidence"


@dataclass(frozen=True)
class Complaint:
    """What a cardholder says of a charge: of how much of it, and whether their bank only inquires."""

    reason: str = "fraudulent"
    amount: int | None = None  # all of it
    inquiry: bool = False


def complaints_about(number: str, amount: int) -> tuple[Complaint, ...]:
    """What the holder of a test card will say of a charge. Source: Stripe's page on testing, "Disputes"."""
    match number:
        case "4000000000000259":
            return (Complaint(),)
        case "4000000000002685":
            return (Complaint("product_not_received"),)
        case "4000000000001976":
            return (Complaint(inquiry=True),)
        case "4000000404000079":
            half = amount // 2
            return (Complaint(amount=half), Complaint("product_not_received", amount - half))
    return ()


# What becomes of a dispute. Each step writes the new state and its events.


def plan_for(account: Account, charge: JsonObject) -> None:
    """A charge has succeeded; some cards' holders will complain."""
    if complaints_about(account.store.hidden(charge["id"]).get("number") or "", charge["amount"]):
        due = account.clock.now() + account.settings.dispute_seconds
        account.agenda.plan("open_disputes", charge["id"], due)


def open_when_due(account: Account, charge_id: str) -> None:
    """A deed of the agenda."""
    charge = account.store.get("charge", charge_id)
    for complaint in complaints_about(account.store.hidden(charge_id)["number"], charge["amount"]):
        make(account, charge, complaint)


def make(account: Account, charge: JsonObject, complaint: Complaint) -> JsonObject:
    """The bank takes the money at once, unless it only inquires or has it back already."""
    dispute = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount"] if complaint.amount is None else complaint.amount,
        "balance_transaction": None,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": charge["created"] - 1,  # As in Stripe's test mode: before the charge was captured.
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": account.clock.second() + EVIDENCE_DUE_AFTER_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": complaint.inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4" if complaint.reason == "fraudulent" else "13.1",
        "payment_intent": charge["payment_intent"],
        "payment_method_details": _details(charge, complaint.inquiry),
        "reason": complaint.reason,
        "status": "warning_needs_response" if complaint.inquiry else "needs_response",
    }
    account.store.add(dispute)
    charge |= {"dispute": dispute["id"], "disputed": True}
    account.store.replace(charge)
    record_event(account, "charge.dispute.created", dispute)
    return dispute if complaint.inquiry else _withdraw(account, dispute)


def _details(charge: JsonObject, inquiry: bool) -> dict[str, Any] | None:
    if charge["payment_method_details"]["type"] != "card":
        return None
    brand = charge["payment_method_details"]["card"]["brand"]
    case = "inquiry" if inquiry else "chargeback"
    return {"card": {"brand": brand, "case_type": case, "network_reason_code": "10.4"}, "type": "card"}


def _withdraw(account: Account, dispute: JsonObject) -> JsonObject:
    charge = account.store.get("charge", dispute["charge"])
    amount = min(dispute["amount"], charge["amount"] - charge["amount_refunded"])
    booked = balance_transactions.book_withdrawal(account, charge, dispute, amount)
    dispute |= {"balance_transaction": booked["id"], "balance_transactions": [booked]}
    account.store.replace(dispute)
    record_event(account, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def decide(account: Account, dispute: JsonObject, won: bool, cause: Cause = STRIPE_ITSELF) -> JsonObject:
    """The bank has decided. An inquiry ends without a winner."""
    inquiry = dispute["status"].startswith("warning_")
    dispute["status"] = "warning_closed" if inquiry else "won" if won else "lost"
    dispute["is_charge_refundable"] = inquiry
    account.store.replace(dispute)
    record_event(account, "charge.dispute.closed", dispute, cause)
    if won and dispute["balance_transactions"]:
        charge = account.store.get("charge", dispute["charge"])
        taken = -dispute["balance_transactions"][0]["amount"]
        booked = balance_transactions.book_reinstatement(account, charge, dispute, taken)
        dispute["balance_transactions"] = [*dispute["balance_transactions"], booked]
        account.store.replace(dispute)
        record_event(account, "charge.dispute.funds_reinstated", dispute, cause)
    return dispute


def _escalate(account: Account, dispute: JsonObject, cause: Cause) -> JsonObject:
    """The bank was not content with what it was told, and takes the money."""
    before = {"status": dispute["status"]}
    dispute |= {"status": "needs_response", "is_charge_refundable": False}
    account.store.replace(dispute)
    record_event(account, "charge.dispute.updated", dispute, cause, before)
    return _withdraw(account, dispute)


def close_inquiries(account: Account, charge: JsonObject) -> None:
    """Once all of a charge has gone back, there is nothing left to inquire about."""
    if not charge["refunded"]:
        return
    for dispute in account.store.every("dispute", charge=charge["id"]):
        if dispute["status"] in ("warning_needs_response", "warning_under_review"):
            decide(account, dispute, won=False)


def leave_refundable(account: Account, charge: JsonObject) -> bool:
    """Whether a disputed charge can be refunded all the same: inquiries and won disputes do not stand in the way."""
    disputes = account.store.every("dispute", charge=charge["id"])
    return all(dispute["is_charge_refundable"] or dispute["status"] == "won" for dispute in disputes)


# The calls.


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("dispute", call.path["id"])


def list_disputes(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "charge", "payment_intent"))
    return listed(call.account.store, "dispute", "/v1/disputes", page)


def update(call: Call) -> JsonObject:
    """Hand evidence in. Some of Stripe's texts decide the dispute within the same second."""
    account, dispute = call.account, retrieve(call)
    evidence = call.params.get("evidence", {})
    if evidence and dispute["status"] not in AWAITS_EVIDENCE:
        message = f"This dispute is {dispute['status']}; evidence can no longer be submitted."
        raise wrong_state(message, "dispute_unexpected_state")
    before = {name: dispute[name] for name in ("evidence", "evidence_details", "metadata", "status")}
    dispute |= {
        "evidence": dispute["evidence"] | evidence,
        "metadata": dispute["metadata"] | call.params.get("metadata", {}),
    }
    submitted = bool(evidence) and call.params.get("submit", True)
    if evidence:
        dispute["evidence_details"] = _details_of(dispute, submitted)
    if submitted and evidence.get("uncategorized_text") == ESCALATING and _is_inquiry(dispute):
        account.store.replace(dispute)
        return _escalate(account, dispute, call.cause)
    if submitted:
        dispute["status"] = "warning_under_review" if _is_inquiry(dispute) else "under_review"
    account.store.replace(dispute)
    record_event(account, "charge.dispute.updated", dispute, call.cause, _changed(before, dispute))
    if submitted and evidence.get("uncategorized_text") in (WINNING, LOSING):
        return decide(account, dispute, evidence["uncategorized_text"] == WINNING, call.cause)
    return dispute


def _details_of(dispute: JsonObject, submitted: bool) -> dict[str, Any]:
    details = {**dispute["evidence_details"], "has_evidence": True}
    if submitted:
        details |= {"submission_count": details["submission_count"] + 1, "submission_method": "manual"}
    return details


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in before.items() if now[name] != value}


def _is_inquiry(dispute: JsonObject) -> bool:
    return str(dispute["status"]).startswith("warning_")


def close(call: Call) -> JsonObject:
    """Give in: the dispute is lost."""
    dispute = retrieve(call)
    if dispute["status"] not in OPEN:
        raise wrong_state(f"This dispute is already closed: it is {dispute['status']}.", "dispute_unexpected_state")
    return decide(call.account, dispute, won=False, cause=call.cause)


EVIDENCE = (
    *("access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure"),
    *("cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name"),
    *("customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation"),
    *("duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure"),
    *("refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier"),
    *(
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    ),
)
UPDATE = record(evidence=record(**{name: text(20_000) for name in EVIDENCE}), metadata=metadata(), submit=boolean())

ENDPOINTS = (
    Endpoint("GET", "/v1/disputes", list_disputes, listing(charge=text(), created=moment(), payment_intent=text())),
    Endpoint("GET", "/v1/disputes/{id}", retrieve, record()),
    Endpoint("POST", "/v1/disputes/{id}", update, UPDATE),
    Endpoint("POST", "/v1/disputes/{id}/close", close, record()),
)
