"""Products: what is sold."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import array, boolean, listing, metadata, moment, record, text, web_address
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

# Also what `product_data` within a price or a line item accepts.
PRODUCT_FIELDS = {
    "description": text(),
    "images": array(web_address(), most=8),
    "metadata": metadata(),
    "name": text(),
    "statement_descriptor": text(22),
    "unit_label": text(12),
}


def make(account: Account, parameters: dict[str, Any]) -> JsonObject:
    now = account.clock.second()
    product = {
        "id": parameters.get("id") or new_id("prod"),
        "object": "product",
        "active": parameters.get("active", True),
        "created": now,
        "default_price": None,
        "description": parameters.get("description"),
        "images": parameters.get("images", []),
        "livemode": False,
        "marketing_features": [],
        "metadata": parameters.get("metadata", {}),
        "name": parameters["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": parameters.get("statement_descriptor"),
        "tax_code": None,
        "type": "service",
        "unit_label": parameters.get("unit_label"),
        "updated": now,
        "url": parameters.get("url"),
    }
    return account.store.add(product)


def create(call: Call) -> JsonObject:
    id = call.params.get("id")
    if id is not None and call.account.store.find(id) is not None:
        raise StripeRefusal(400, "Product already exists.", code="resource_already_exists", param="id")
    product = make(call.account, dict(call.params))
    record_event(call.account, "product.created", product, call.cause)
    return product


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("product", call.path["id"])


def list_products(call: Call) -> JsonObject:
    among = {"id": call.params["ids"]} if "ids" in call.params else {}
    page = page_of(call.params, equal=given(call.params, "active"), among=among)
    return listed(call.account.store, "product", "/v1/products", page)


CREATE = record(["name"], id=text(), active=boolean(), url=web_address(), **PRODUCT_FIELDS)
LIST = listing(active=boolean(), created=moment(), ids=array(text()))

ENDPOINTS = (
    Endpoint("POST", "/v1/products", create, CREATE),
    Endpoint("GET", "/v1/products", list_products, LIST),
    Endpoint("GET", "/v1/products/{id}", retrieve, record()),
)
