"""Meters, and the events of use that they count: what a metered price bills afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.billing.usage import aggregated
from sandbox.stripe.errors import StripeRefusal, no_such, parameter_invalid, parameter_missing, wrong_state
from sandbox.stripe.ids import new_id, random_text
from sandbox.stripe.lists import everything, given, listed, page_of
from sandbox.stripe.parameters import choice, integer, listing, record, text
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

OLDEST_SECONDS = 35 * 86400
NEWEST_SECONDS = 5 * 60
UNIQUE_SECONDS = 24 * 3600


# Meters.


def make(account: Account, parameters: Mapping[str, Any]) -> JsonObject:
    now = account.clock.second()
    meter = {
        "id": parameters.get("id") or f"mtr_test_{random_text(24)}",
        "object": "billing.meter",
        "created": now,
        "customer_mapping": parameters.get("customer_mapping")
        or {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": parameters["default_aggregation"],
        "display_name": parameters["display_name"],
        "event_name": parameters["event_name"],
        "event_time_window": parameters.get("event_time_window"),
        "livemode": False,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": now,
        "value_settings": parameters.get("value_settings") or {"event_payload_key": "value"},
    }
    return account.store.add(meter)


def create_meter(call: Call) -> JsonObject:
    if _active(call.account, call.params["event_name"]):
        message = f"An active meter with the event name {call.params['event_name']} already exists."
        raise StripeRefusal(400, message, code="resource_already_exists", param="event_name")
    meter = make(call.account, call.params)
    record_event(call.account, "billing.meter.created", meter, call.cause)
    return meter


def retrieve_meter(call: Call) -> JsonObject:
    return call.account.store.get("billing.meter", call.path["id"])


def list_meters(call: Call) -> JsonObject:
    page = page_of(call.params, equal=given(call.params, "status"))
    return listed(call.account.store, "billing.meter", "/v1/billing/meters", page)


def deactivate_meter(call: Call) -> JsonObject:
    return _switch(call, "inactive", call.account.clock.second(), "billing.meter.deactivated")


def reactivate_meter(call: Call) -> JsonObject:
    return _switch(call, "active", None, "billing.meter.reactivated")


def _switch(call: Call, status: str, deactivated_at: int | None, type: str) -> JsonObject:
    meter = retrieve_meter(call)
    if meter["status"] == status:
        raise wrong_state(f"This meter is {status} already.")
    meter |= {"status": status, "status_transitions": {"deactivated_at": deactivated_at}}
    meter["updated"] = call.account.clock.second()
    record_event(call.account, type, call.account.store.replace(meter), call.cause)
    return meter


def list_summaries(call: Call) -> JsonObject:
    """What a customer used between two seconds, in one sum."""
    meter, customer = retrieve_meter(call), call.params["customer"]
    call.account.store.get("customer", customer, "customer")
    start, end = call.params["start_time"], call.params["end_time"]
    summary = {
        "id": new_id("mtrusg"),
        "object": "billing.meter_event_summary",
        "aggregated_value": aggregated(call.account, meter, customer, (start, end)),
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
        "start_time": start,
    }
    return everything([summary], f"/v1/billing/meters/{meter['id']}/event_summaries")


def _active(account: Account, event_name: str) -> JsonObject | None:
    found = account.store.every("billing.meter", event_name=event_name, status="active")
    return found[0] if found else None


# Events of use.


def report(call: Call) -> JsonObject:
    """Counts once: another event with the same identifier within a day is refused (400), not passed over."""
    meter = _active(call.account, call.params["event_name"])
    if meter is None:
        message = f"No active meter found for event name: {call.params['event_name']}."
        raise parameter_invalid(message, "event_name")
    _check_payload(call, meter)
    with call.account.in_time_of(call.params["payload"][meter["customer_mapping"]["event_payload_key"]]):
        return _reported(call.account, meter, call.params)


def _reported(account: Account, meter: JsonObject, said: Mapping[str, Any]) -> JsonObject:
    now = account.clock.second()
    timestamp = said.get("timestamp", now)
    if not now - OLDEST_SECONDS <= timestamp <= now + NEWEST_SECONDS:
        message = "The timestamp must be within the past 35 calendar days or up to 5 minutes in the future."
        raise parameter_invalid(message, "timestamp")
    identifier = said.get("identifier") or random_text(32)
    if _known(account, identifier, since=now - UNIQUE_SECONDS) is not None:
        message = f"An event already exists with identifier {identifier}."
        raise StripeRefusal(400, message, headers={"stripe-should-retry": "false"})
    event = {
        "object": "billing.meter_event",
        "created": now,
        "event_name": meter["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": said["payload"],
        "timestamp": timestamp,
    }
    # Stripe shows no id of it; here it is kept under one, with what may be said of it later.
    account.store.add({"id": new_id("mtrevt"), "canceled": None, **event})
    return event


def _check_payload(call: Call, meter: JsonObject) -> None:
    payload = call.params["payload"]
    whose, how_much = meter["customer_mapping"]["event_payload_key"], meter["value_settings"]["event_payload_key"]
    if whose not in payload:
        raise parameter_missing(f"payload[{whose}]")
    call.account.store.get("customer", payload[whose], f"payload[{whose}]")
    if meter["default_aggregation"]["formula"] == "count":
        return
    if how_much not in payload:
        raise parameter_missing(f"payload[{how_much}]")
    try:
        float(payload[how_much])
    except ValueError as error:
        message = f"Invalid value for {how_much}: must be a number."
        raise parameter_invalid(message, f"payload[{how_much}]") from error


def _known(account: Account, identifier: str, since: int) -> JsonObject | None:
    found = account.store.every("billing.meter_event", identifier=identifier)
    return next((event for event in found if event["created"] > since), None)


def adjust(call: Call) -> JsonObject:
    """Take back an event of the last 24 hours."""
    account, said = call.account, call.params
    identifier = said.get("cancel", {}).get("identifier")
    if identifier is None:
        raise parameter_missing("cancel[identifier]")
    event = _known(account, identifier, since=account.clock.second() - UNIQUE_SECONDS)
    if event is None or event["event_name"] != said["event_name"]:
        raise no_such("meter event", identifier, param="cancel[identifier]", status=400)
    if event["canceled"]:
        raise wrong_state(f"The event with identifier {identifier} is canceled already.")
    account.store.replace(event | {"canceled": True})
    return {
        "object": "billing.meter_event_adjustment",
        "cancel": {"identifier": identifier},
        "event_name": said["event_name"],
        "livemode": False,
        "status": "complete",
        "type": "cancel",
    }


def _payload(name: str, sent: Any) -> dict[str, str]:
    if not isinstance(sent, dict) or not all(isinstance(value, str) for value in sent.values()):
        raise parameter_invalid("Invalid object: the values of a payload are strings", name)
    return dict(sent)


CREATE_METER = record(
    ["default_aggregation", "display_name", "event_name"],
    customer_mapping=record(["event_payload_key", "type"], event_payload_key=text(100), type=choice("by_id")),
    default_aggregation=record(["formula"], formula=choice("count", "last", "sum")),
    display_name=text(250),
    event_name=text(100),
    event_time_window=choice("day", "hour"),
    value_settings=record(["event_payload_key"], event_payload_key=text(100)),
)
REPORT = record(
    ["event_name", "payload"], event_name=text(100), identifier=text(100), payload=_payload, timestamp=integer()
)
ADJUST = record(
    ["event_name", "type"], cancel=record(identifier=text(100)), event_name=text(100), type=choice("cancel")
)
SUMMARIES = listing("customer", "end_time", "start_time", customer=text(), end_time=integer(0), start_time=integer(0))

ENDPOINTS = (
    Endpoint("POST", "/v1/billing/meters", create_meter, CREATE_METER),
    Endpoint("GET", "/v1/billing/meters", list_meters, listing(status=choice("active", "inactive"))),
    Endpoint("GET", "/v1/billing/meters/{id}", retrieve_meter, record()),
    Endpoint("POST", "/v1/billing/meters/{id}/deactivate", deactivate_meter, record()),
    Endpoint("POST", "/v1/billing/meters/{id}/reactivate", reactivate_meter, record()),
    Endpoint("GET", "/v1/billing/meters/{id}/event_summaries", list_summaries, SUMMARIES),
    Endpoint("POST", "/v1/billing/meter_events", report, REPORT),
    Endpoint("POST", "/v1/billing/meter_event_adjustments", adjust, ADJUST),
)
