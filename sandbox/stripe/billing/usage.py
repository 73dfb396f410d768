"""Metered use: what a customer's meter events of a period add up to."""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.store import JsonObject


def used(account: Account, customer: str, price: JsonObject, period: tuple[int, int]) -> int:
    """The whole units of a metered price within (start, end), the end excluded, as its meter counts them."""
    meter = account.store.find(price["recurring"]["meter"] or "")
    return 0 if meter is None else int(aggregated(account, meter, customer, period))


def aggregated(account: Account, meter: JsonObject, customer: str, period: tuple[int, int]) -> float:
    """By the meter's formula: the sum of the values, the last of them, or how many there are."""
    start, end = period
    events = [
        event
        for event in account.store.every("billing.meter_event", event_name=meter["event_name"], canceled=None)
        if start <= event["timestamp"] < end and _customer(meter, event) == customer
    ]
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return len(events)
    values = [float(event["payload"].get(meter["value_settings"]["event_payload_key"], 0)) for event in events]
    if formula == "last":
        latest = max(events, key=lambda event: event["timestamp"], default=None)
        return 0 if latest is None else values[events.index(latest)]
    return sum(values)


def _customer(meter: JsonObject, event: JsonObject) -> str | None:
    named: str | None = event["payload"].get(meter["customer_mapping"]["event_payload_key"])
    return named
