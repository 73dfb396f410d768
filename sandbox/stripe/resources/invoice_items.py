"""Invoice items: what waits for the next invoice, such as prorations. They are made by changes of a subscription."""

from __future__ import annotations

from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import boolean, listing, moment, record, text
from sandbox.stripe.store import JsonObject


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("invoiceitem", call.path["id"])


def list_items(call: Call) -> JsonObject:
    equal = given(call.params, "customer", "invoice")
    if call.params.get("pending"):
        equal["invoice"] = None
    return listed(call.account.store, "invoiceitem", "/v1/invoiceitems", page_of(call.params, equal=equal))


LIST = listing(created=moment(), customer=text(), invoice=text(), pending=boolean())

ENDPOINTS = (
    Endpoint("GET", "/v1/invoiceitems", list_items, LIST),
    Endpoint("GET", "/v1/invoiceitems/{id}", retrieve, record()),
)
