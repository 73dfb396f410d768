"""Subscription items: which price, how many, paid up to when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import everything
from sandbox.stripe.store import JsonObject


@dataclass(frozen=True)
class Wanted:
    """What an item is to be. A metered price has no quantity."""

    price: JsonObject
    quantity: int | None
    metadata: Mapping[str, str] = field(default_factory=dict)


def make(subscription: str, wanted: Wanted, period: tuple[int, int], now: int) -> JsonObject:
    """An item whose present period is (start, end)."""
    start, end = period
    counted = {} if wanted.quantity is None else {"quantity": wanted.quantity}
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": end,
        "current_period_start": start,
        "current_trial": None,
        "discounts": [],
        "metadata": dict(wanted.metadata),
        "plan": plan(wanted.price),
        "price": wanted.price,
        "subscription": subscription,
        "tax_rates": [],
        **counted,
    }


def changed(item: JsonObject, wanted: Wanted) -> JsonObject:
    """The same item with another price, quantity or metadata."""
    kept = {name: value for name, value in item.items() if name != "quantity"}
    counted = {} if wanted.quantity is None else {"quantity": wanted.quantity}
    return {**kept, "metadata": dict(wanted.metadata), "plan": plan(wanted.price), "price": wanted.price, **counted}


def plan(price: JsonObject) -> JsonObject:
    """The old face of a recurring price, which Stripe still sends."""
    recurring = price["recurring"]
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": False,
        "metadata": price["metadata"],
        "meter": recurring["meter"],
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": recurring["usage_type"],
    }


def listed(subscription: str, items: Iterable[JsonObject]) -> JsonObject:
    """As they stand in a subscription, all of them."""
    made = list(items)
    return everything(made, f"/v1/subscription_items?subscription={subscription}") | {"total_count": len(made)}


def is_metered(price: JsonObject) -> bool:
    return bool(price["recurring"]["usage_type"] == "metered")


def amount(item: JsonObject) -> int:
    """What a whole period of it costs beforehand: nothing where use is metered."""
    return 0 if is_metered(item["price"]) else int(item["price"]["unit_amount"] * item["quantity"])


def rhythm(price: JsonObject) -> tuple[str, int]:
    """How often it is billed: (interval, how many of them)."""
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def single(items: list[JsonObject]) -> Mapping[str, Any]:
    """The `plan` and `quantity` of a subscription: those of its only item, else null."""
    only = items[0] if len(items) == 1 else {}
    return {"plan": only.get("plan"), "quantity": only.get("quantity")}
