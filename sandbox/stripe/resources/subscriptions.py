"""Subscriptions: so far how one starts at the end of a checkout. Renewal, change and end will stand here."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import everything, given, listed, page_of
from sandbox.stripe.parameters import choice, listing, moment, record, text
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

STATUSES = (
    "active", "all", "canceled", "ended", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid",
)  # fmt: skip


def start(
    account: Account, items: list[JsonObject], parameters: Mapping[str, Any], customer: str, payment_method: str | None
) -> JsonObject:
    """The subscription that a completed checkout leads to. `items` are line items, `parameters` its subscription_data."""
    now, id = account.clock.second(), new_id("sub")
    recurring = [item for item in items if item["price"]["recurring"] is not None]
    trial_end = now + trial_days(items, parameters) * 86400 if trial_days(items, parameters) else None
    subscription = {
        "id": id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": trial_end or now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": items[0]["currency"],
        "customer": customer,
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": payment_method,
        "default_source": None,
        "default_tax_rates": [],
        "description": parameters.get("description"),
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": _items(account, id, recurring, trial_end),
        "latest_invoice": None,
        "livemode": False,
        "metadata": parameters.get("metadata", {}),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "trialing" if trial_end else "active",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": now if trial_end else None,
    }
    if len(recurring) == 1:
        subscription |= {"plan": _plan(recurring[0]["price"]), "quantity": recurring[0]["quantity"]}
    account.store.add(subscription)
    record_event(account, "customer.subscription.created", subscription)
    return subscription


def trial_days(items: list[JsonObject], parameters: Mapping[str, Any]) -> int:
    """From `subscription_data`, else from a price that brings a trial of its own."""
    of_prices = [(item["price"]["recurring"] or {}).get("trial_period_days") or 0 for item in items]
    return int(parameters.get("trial_period_days", max(of_prices, default=0)))


def _items(account: Account, subscription: str, items: list[JsonObject], trial_end: int | None) -> JsonObject:
    now = account.clock.second()
    made = [_item(subscription, item, now, trial_end) for item in items]
    address = f"/v1/subscription_items?subscription={subscription}"
    return everything(made, address) | {"total_count": len(made)}


def _item(subscription: str, item: JsonObject, now: int, trial_end: int | None) -> JsonObject:
    price = item["price"]
    counted = {} if item["quantity"] is None else {"quantity": item["quantity"]}
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": trial_end or period_end(now, price["recurring"]),
        "current_period_start": now,
        "current_trial": None,
        "discounts": [],
        "metadata": {},
        "plan": _plan(price),
        "price": price,
        "subscription": subscription,
        "tax_rates": [],
        **counted,
    }


def _plan(price: JsonObject) -> JsonObject:
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


def period_end(start: int, recurring: Mapping[str, Any]) -> int:
    """One interval later; a month from January 31st ends on the last day of February."""
    begun, count = datetime.fromtimestamp(start, UTC), recurring["interval_count"]
    if recurring["interval"] in ("day", "week"):
        return int((begun + timedelta(days=count * (7 if recurring["interval"] == "week" else 1))).timestamp())
    months = begun.month - 1 + count * (12 if recurring["interval"] == "year" else 1)
    year, month = begun.year + months // 12, months % 12 + 1
    day = min(begun.day, calendar.monthrange(year, month)[1])
    return int(begun.replace(year=year, month=month, day=day).timestamp())


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("subscription", call.path["id"])


def list_subscriptions(call: Call) -> JsonObject:
    """All but canceled ones, unless a status is asked for."""
    filters: dict[str, Any] = {"equal": given(call.params, "customer")}
    status = call.params.get("status")
    if status is None:
        filters["among"] = {"status": [name for name in STATUSES if name not in ("canceled", "incomplete_expired")]}
    elif status == "ended":
        filters["among"] = {"status": ["canceled", "incomplete_expired"]}
    elif status != "all":
        filters["equal"]["status"] = status
    return listed(call.account.store, "subscription", "/v1/subscriptions", page_of(call.params, **filters))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/subscriptions",
        list_subscriptions,
        listing(created=moment(), customer=text(), status=choice(*STATUSES)),
    ),
    Endpoint("GET", "/v1/subscriptions/{id}", retrieve, record()),
)
