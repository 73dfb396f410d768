"""Customers: whom an account knows by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import Account, Cause
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.billing import ending
from sandbox.stripe.billing.subscription import has_ended
from sandbox.stripe.errors import StripeRefusal, no_such
from sandbox.stripe.ids import new_id, random_text
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import (
    email,
    listing,
    merged,
    metadata,
    metadata_change,
    moment,
    record,
    text,
    unsettable,
)
from sandbox.stripe.resources import payment_methods
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

FIELDS = {
    "description": unsettable(text()),
    "email": unsettable(email()),
    "name": unsettable(text(256)),
    "phone": unsettable(text(20)),
}
MOST_PER_TEST_CLOCK = 3


def make(account: Account, parameters: Mapping[str, Any]) -> JsonObject:
    customer = {
        "id": new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "business_name": None,
        "created": account.clock.second(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": parameters.get("description"),
        "discount": None,
        "email": parameters.get("email"),
        "individual_name": None,
        "invoice_prefix": random_text(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": parameters.get("invoice_settings", {}).get("default_payment_method"),
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": parameters.get("metadata", {}),
        "name": parameters.get("name"),
        "next_invoice_sequence": 1,
        "phone": parameters.get("phone"),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": parameters.get("test_clock"),
    }
    return account.store.add(customer)


def create(call: Call) -> JsonObject:
    if "test_clock" in call.params:
        _refuse_crowd(call, call.params["test_clock"])
    customer = make(call.account, call.params)
    record_event(call.account, "customer.created", customer, call.cause)
    if "payment_method" in call.params:
        method = call.account.store.get("payment_method", call.params["payment_method"], "payment_method")
        payment_methods.attach(call.account, method, customer["id"], call.cause)
    return customer


def _refuse_crowd(call: Call, clock: str) -> None:
    call.account.store.get("test_helpers.test_clock", clock, "test_clock")
    if len(call.account.store.every("customer", test_clock=clock, deleted=None)) >= MOST_PER_TEST_CLOCK:
        message = f"A test clock can have at most {MOST_PER_TEST_CLOCK} customers."
        raise StripeRefusal(400, message, param="test_clock")


def retrieve(call: Call) -> JsonObject:
    """One that was deleted is still told of, as no more than that."""
    return call.account.store.get("customer", call.path["id"])


def update(call: Call) -> JsonObject:
    customer = _living(call)
    changes = dict(call.params)
    if "metadata" in changes:
        changes["metadata"] = merged(customer["metadata"], changes["metadata"])
    if "invoice_settings" in changes:
        changes["invoice_settings"] = customer["invoice_settings"] | _settings(call, changes["invoice_settings"])
    changed = call.account.store.replace(customer | changes)
    if changed != customer:
        record_event(call.account, "customer.updated", changed, call.cause, customer)
    return changed


def _settings(call: Call, told: Mapping[str, Any]) -> Mapping[str, Any]:
    id = told.get("default_payment_method")
    method = call.account.store.get("payment_method", id, "invoice_settings[default_payment_method]") if id else None
    if method is not None and method["customer"] != call.path["id"]:
        message = f"The customer does not have a payment method with the ID {id}. It must be attached to the customer."
        raise StripeRefusal(400, message, code="resource_missing", param="invoice_settings[default_payment_method]")
    return told


def _living(call: Call) -> JsonObject:
    customer = retrieve(call)
    if customer.get("deleted"):
        raise no_such("customer", customer["id"])
    return customer


def delete(call: Call) -> JsonObject:
    return remove(call.account, _living(call), call.cause)


def remove(account: Account, customer: JsonObject, cause: Cause) -> JsonObject:
    """With its subscriptions, which end at once. Nothing but its id is kept."""
    for subscription in account.store.every("subscription", customer=customer["id"]):
        if not has_ended(subscription):
            ending.cancel(account, subscription, ending.Ending(cause=cause))
    record_event(account, "customer.deleted", customer, cause)
    stub = {"id": customer["id"], "object": "customer", "deleted": True}
    account.store.replace(stub)
    return stub


def list_customers(call: Call) -> JsonObject:
    page = page_of(call.params, equal={"deleted": None, **given(call.params, "email", "test_clock")})
    return listed(call.account.store, "customer", "/v1/customers", page)


INVOICE_SETTINGS = record(default_payment_method=unsettable(text()))
CREATE = record(
    **FIELDS, invoice_settings=INVOICE_SETTINGS, metadata=metadata(), payment_method=text(), test_clock=text()
)
UPDATE = record(**FIELDS, invoice_settings=INVOICE_SETTINGS, metadata=metadata_change())
LIST = listing(created=moment(), email=email(), test_clock=text())

ENDPOINTS = (
    Endpoint("POST", "/v1/customers", create, CREATE),
    Endpoint("GET", "/v1/customers", list_customers, LIST),
    Endpoint("GET", "/v1/customers/{id}", retrieve, record()),
    Endpoint("POST", "/v1/customers/{id}", update, UPDATE),
    Endpoint("DELETE", "/v1/customers/{id}", delete, record()),
)
