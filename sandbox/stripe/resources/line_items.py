"""Line items of a checkout: which price, how many, what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.errors import StripeRefusal, parameter_invalid, parameter_missing
from sandbox.stripe.ids import new_id
from sandbox.stripe.parameters import array, choice, currency, inside, integer, metadata, record, text
from sandbox.stripe.resources import prices
from sandbox.stripe.resources.products import PRODUCT_FIELDS
from sandbox.stripe.store import JsonObject

PRICE_DATA = record(
    ["currency", "unit_amount"],
    currency=currency(),
    product=text(),
    product_data=record(["name"], **PRODUCT_FIELDS),
    recurring=record(["interval"], interval=prices.INTERVAL, interval_count=integer(1, 1095)),
    tax_behavior=choice("exclusive", "inclusive", "unspecified"),
    unit_amount=prices.UNIT_AMOUNT,
)
LINE_ITEMS = array(record(price=text(), price_data=PRICE_DATA, quantity=integer(1, 999_999), metadata=metadata()))


def make_all(account: Account, sent: list[Mapping[str, Any]], mode: str) -> list[JsonObject]:
    """The items of a session in `payment` or `subscription` mode. Refuses (400) prices that do not fit together."""
    if not sent:
        raise parameter_missing("line_items")
    items = [_make(account, item, inside("line_items", str(index))) for index, item in enumerate(sent)]
    for index, item in enumerate(items):
        if item["currency"] != items[0]["currency"]:
            message = "All line items of a Checkout Session must have the same currency."
            raise parameter_invalid(message, f"line_items[{index}]")
    _refuse_wrong_mode([item["price"] for item in items], mode)
    return items


def _make(account: Account, sent: Mapping[str, Any], name: str) -> JsonObject:
    price = _price(account, sent, name)
    metered = price["recurring"] is not None and price["recurring"]["usage_type"] == "metered"
    if metered and "quantity" in sent:
        message = "You cannot specify a quantity for a metered price: usage is reported after the fact."
        raise parameter_invalid(message, inside(name, "quantity"))
    if not metered and "quantity" not in sent:
        raise parameter_missing(inside(name, "quantity"))
    total = 0 if metered else price["unit_amount"] * sent["quantity"]
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": account.store.get("product", price["product"])["name"],
        "metadata": sent.get("metadata", {}),
        "price": price,
        "quantity": sent.get("quantity"),
    }


def _price(account: Account, sent: Mapping[str, Any], name: str) -> JsonObject:
    if ("price" in sent) == ("price_data" in sent):
        if "price" not in sent:
            raise parameter_missing(inside(name, "price"))
        message = "You may only specify one of these parameters: price, price_data."
        raise StripeRefusal(400, message, code="parameters_exclusive", param=inside(name, "price_data"))
    if "price_data" in sent:
        data, inner = sent["price_data"], inside(name, "price_data")
        return prices.make(account, data, prices.product_of(account, data, inner), active=False)
    price = account.store.get("price", sent["price"], inside(name, "price"))
    if not price["active"]:
        message = "The price specified is inactive. This field only accepts active prices."
        raise parameter_invalid(message, inside(name, "price"))
    return price


def _refuse_wrong_mode(prices: list[JsonObject], mode: str) -> None:
    recurring = [price for price in prices if price["recurring"] is not None]
    if mode == "payment" and recurring:
        message = (
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use "
            "only one-time prices."
        )
        raise parameter_invalid(message, "line_items")
    if mode == "subscription" and not recurring:
        message = "You must provide at least one recurring price in `subscription` mode when using prices."
        raise parameter_invalid(message, "line_items")
    rhythms = {(price["recurring"]["interval"], price["recurring"]["interval_count"]) for price in recurring}
    if len(rhythms) > 1:
        raise parameter_invalid(
            "All recurring line items of a Checkout Session must have the same interval.", "line_items"
        )
