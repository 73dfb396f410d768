"""Invoices: the calls that read, finalize, pay, void and write them off."""

from __future__ import annotations

from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.billing import collecting
from sandbox.stripe.billing.changing import refused
from sandbox.stripe.errors import StripeRefusal, wrong_state
from sandbox.stripe.lists import given, listed, page_of, page_within
from sandbox.stripe.parameters import boolean, choice, listing, moment, record, text
from sandbox.stripe.store import JsonObject

SUBSCRIPTION = "parent.subscription_details.subscription"


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("invoice", call.path["id"])


def list_invoices(call: Call) -> JsonObject:
    equal = given(call.params, "collection_method", "customer", "status")
    if "subscription" in call.params:
        equal[SUBSCRIPTION] = call.params["subscription"]
    return listed(call.account.store, "invoice", "/v1/invoices", page_of(call.params, equal=equal))


def list_lines(call: Call) -> JsonObject:
    invoice = retrieve(call)
    return page_within(invoice["lines"]["data"], invoice["lines"]["url"], call.params)


def finalize(call: Call) -> JsonObject:
    invoice = retrieve(call)
    if invoice["status"] != "draft":
        message = "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        raise wrong_state(message)
    invoice = collecting.finalize(call.account, invoice, call.cause)
    if invoice["amount_due"] == 0:
        return collecting.paid(call.account, invoice, call.cause)
    collecting.intent_for(call.account, invoice, call.cause)
    return invoice


def pay(call: Call) -> JsonObject:
    """A draft is finalized first. A decline is answered with 402, and leaves the invoice open."""
    account, invoice = call.account, retrieve(call)
    if invoice["status"] == "paid":
        raise wrong_state("Invoice is already paid")
    if invoice["status"] not in ("draft", "open", "uncollectible"):
        raise wrong_state(f"This invoice can no longer be paid: its status is {invoice['status']}.")
    method = call.params.get("payment_method")
    if method is not None:
        _check_method(call, method, invoice["customer"])
    if invoice["status"] == "draft":
        invoice = collecting.finalize(account, invoice, call.cause)
    if call.params.get("paid_out_of_band"):
        collecting.cancel_intent(account, invoice, call.cause)
        return collecting.paid(account, invoice, call.cause, out_of_band=True)
    on_session = not call.params.get("off_session", True)
    attempt = collecting.collect(account, invoice, call.cause, method=method, on_session=on_session)
    if attempt.failure is not None:
        raise refused(attempt, stands=True)
    return attempt.invoice


def _check_method(call: Call, id: str, customer: str) -> None:
    method = call.account.store.get("payment_method", id, "payment_method")
    if method["customer"] != customer:
        message = f"The payment method {id} does not belong to the customer {customer}."
        raise StripeRefusal(400, message, code="resource_missing", param="payment_method")


def void(call: Call) -> JsonObject:
    return collecting.void(call.account, _uncollected(call, "void"), call.cause)


def write_off(call: Call) -> JsonObject:
    return collecting.write_off(call.account, _uncollected(call, "mark uncollectible"), call.cause)


def _uncollected(call: Call, what: str) -> JsonObject:
    invoice = retrieve(call)
    allowed = ("open", "uncollectible") if what == "void" else ("open",)
    if invoice["status"] not in allowed:
        message = f"You can only {what} invoices that are {' or '.join(allowed)}. This invoice is {invoice['status']}."
        raise wrong_state(message)
    return invoice


LIST = listing(
    collection_method=choice("charge_automatically", "send_invoice"),
    created=moment(),
    customer=text(),
    status=choice("draft", "open", "paid", "uncollectible", "void"),
    subscription=text(),
)
PAY = record(off_session=boolean(), paid_out_of_band=boolean(), payment_method=text())

ENDPOINTS = (
    Endpoint("GET", "/v1/invoices", list_invoices, LIST),
    Endpoint("GET", "/v1/invoices/{id}", retrieve, record()),
    Endpoint("GET", "/v1/invoices/{id}/lines", list_lines, listing()),
    Endpoint("POST", "/v1/invoices/{id}/finalize", finalize, record(auto_advance=boolean())),
    Endpoint("POST", "/v1/invoices/{id}/pay", pay, PAY),
    Endpoint("POST", "/v1/invoices/{id}/void", void, record()),
    Endpoint("POST", "/v1/invoices/{id}/mark_uncollectible", write_off, record()),
)
