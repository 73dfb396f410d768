"""Prices: how much of which currency, once or again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.errors import StripeRefusal, parameter_invalid, parameter_missing
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.money import MAXIMUM
from sandbox.stripe.parameters import (
    array,
    boolean,
    choice,
    currency,
    inside,
    integer,
    listing,
    metadata,
    moment,
    record,
    text,
)
from sandbox.stripe.resources import products
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

INTERVAL = choice("day", "week", "month", "year")
UNIT_AMOUNT = integer(0, MAXIMUM)


def make(account: Account, parameters: Mapping[str, Any], product: str, active: bool = True) -> JsonObject:
    recurring = parameters.get("recurring")
    price = {
        "id": parameters.get("id") or new_id("price"),
        "object": "price",
        "active": active,
        "billing_scheme": "per_unit",
        "created": account.clock.second(),
        "currency": parameters["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": parameters.get("lookup_key"),
        "metadata": parameters.get("metadata", {}),
        "nickname": parameters.get("nickname"),
        "product": product,
        "recurring": _recurring(recurring) if recurring else None,
        "tax_behavior": parameters.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": parameters["unit_amount"],
        "unit_amount_decimal": str(parameters["unit_amount"]),
    }
    return account.store.add(price)


def _recurring(parameters: Mapping[str, Any]) -> JsonObject:
    return {
        "interval": parameters["interval"],
        "interval_count": parameters.get("interval_count", 1),
        "meter": parameters.get("meter"),
        "trial_period_days": parameters.get("trial_period_days"),
        "usage_type": parameters.get("usage_type", "licensed"),
    }


def product_of(account: Account, parameters: Mapping[str, Any], name: str = "") -> str:
    """The id of the product that a price is for: an existing one, or one made from `product_data`."""
    if ("product" in parameters) == ("product_data" in parameters):
        if "product" not in parameters:
            raise parameter_missing(inside(name, "product"))
        message = "You may only specify one of these parameters: product, product_data."
        raise StripeRefusal(400, message, code="parameters_exclusive", param=inside(name, "product"))
    if "product" in parameters:
        found = account.store.get("product", parameters["product"], inside(name, "product"))
        return str(found["id"])
    return str(products.make(account, parameters["product_data"])["id"])


def create(call: Call) -> JsonObject:
    _refuse_taken_lookup_key(call)
    _refuse_unmetered(call)
    price = make(call.account, call.params, product_of(call.account, call.params), call.params.get("active", True))
    record_event(call.account, "price.created", price, call.cause)
    return price


def _refuse_taken_lookup_key(call: Call) -> None:
    key = call.params.get("lookup_key")
    taken = listed(call.account.store, "price", "", page_of({}, equal={"lookup_key": key}))["data"] if key else []
    if taken:
        message = f"A price (`{taken[0]['id']}`) already uses that lookup key."
        raise StripeRefusal(400, message, param="lookup_key")


def _refuse_unmetered(call: Call) -> None:
    """Since 2025-03-31 (basil) use is counted by meters only."""
    recurring = call.params.get("recurring", {})
    metered = recurring.get("usage_type") == "metered"
    if metered and "meter" not in recurring:
        raise parameter_missing("recurring[meter]")
    if "meter" in recurring:
        call.account.store.get("billing.meter", recurring["meter"], "recurring[meter]")
        if not metered:
            message = "`meter` can only be set when `usage_type` is `metered`."
            raise parameter_invalid(message, "recurring[meter]")


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("price", call.path["id"])


def list_prices(call: Call) -> JsonObject:
    among = {"lookup_key": call.params["lookup_keys"]} if "lookup_keys" in call.params else {}
    page = page_of(call.params, equal=given(call.params, "active", "currency", "product", "type"), among=among)
    return listed(call.account.store, "price", "/v1/prices", page)


CREATE = record(
    ["currency", "unit_amount"],
    active=boolean(),
    currency=currency(),
    lookup_key=text(200),
    metadata=metadata(),
    nickname=text(),
    product=text(),
    product_data=record(["name"], **products.PRODUCT_FIELDS),
    recurring=record(
        ["interval"],
        interval=INTERVAL,
        interval_count=integer(1, 1095),
        meter=text(),
        trial_period_days=integer(1, 730),
        usage_type=choice("licensed", "metered"),
    ),
    tax_behavior=choice("exclusive", "inclusive", "unspecified"),
    unit_amount=UNIT_AMOUNT,
)
LIST = listing(
    active=boolean(),
    created=moment(),
    currency=currency(),
    lookup_keys=array(text(), most=10),
    product=text(),
    type=choice("one_time", "recurring"),
)

ENDPOINTS = (
    Endpoint("POST", "/v1/prices", create, CREATE),
    Endpoint("GET", "/v1/prices", list_prices, LIST),
    Endpoint("GET", "/v1/prices/{id}", retrieve, record()),
)
