"""Subscription items, read by themselves. They are changed with their subscription."""

from __future__ import annotations

from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.errors import no_such
from sandbox.stripe.lists import page_within
from sandbox.stripe.parameters import listing, record, text
from sandbox.stripe.store import JsonObject, Page


def retrieve(call: Call) -> JsonObject:
    id = call.path["id"]
    holders, _ = call.account.store.page("subscription", Page(limit=1, inside={"items.data": ("id", id)}))
    for item in holders[0]["items"]["data"] if holders else []:
        if item["id"] == id:
            return dict(item)
    raise no_such("subscription_item", id)


def list_items(call: Call) -> JsonObject:
    id = call.params["subscription"]
    parts = call.account.store.get("subscription", id, "subscription")["items"]["data"]
    return page_within(parts, f"/v1/subscription_items?subscription={id}", call.params)


ENDPOINTS = (
    Endpoint("GET", "/v1/subscription_items", list_items, listing("subscription", subscription=text())),
    Endpoint("GET", "/v1/subscription_items/{id}", retrieve, record()),
)
