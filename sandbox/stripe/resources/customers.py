"""Customers: whom an account knows by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.ids import new_id, random_text
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import email, listing, metadata, moment, record, text
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

FIELDS = {"description": text(), "email": email(), "metadata": metadata(), "name": text(256), "phone": text(20)}


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
            "default_payment_method": None,
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
        "test_clock": None,
    }
    return account.store.add(customer)


def create(call: Call) -> JsonObject:
    customer = make(call.account, call.params)
    record_event(call.account, "customer.created", customer, call.cause)
    return customer


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("customer", call.path["id"])


def update(call: Call) -> JsonObject:
    customer = retrieve(call)
    changes = dict(call.params)
    if "metadata" in changes:
        changes["metadata"] = customer["metadata"] | changes["metadata"]
    previous = {name: customer[name] for name, value in changes.items() if customer[name] != value}
    customer = call.account.store.replace(customer | changes)
    record_event(call.account, "customer.updated", customer, call.cause, previous)
    return customer


def delete(call: Call) -> JsonObject:
    customer = retrieve(call)
    call.account.store.remove(customer["id"])
    record_event(call.account, "customer.deleted", customer, call.cause)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def list_customers(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "email"))
    return listed(call.account.store, "customer", "/v1/customers", page)


ENDPOINTS = (
    Endpoint("POST", "/v1/customers", create, record((), **FIELDS)),
    Endpoint("GET", "/v1/customers", list_customers, listing(created=moment(), email=email())),
    Endpoint("GET", "/v1/customers/{id}", retrieve, record()),
    Endpoint("POST", "/v1/customers/{id}", update, record((), **FIELDS)),
    Endpoint("DELETE", "/v1/customers/{id}", delete, record()),
)
