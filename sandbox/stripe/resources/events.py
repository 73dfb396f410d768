"""Events: what happened to an object, as it was at that moment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from sandbox.stripe.account import STRIPE_ITSELF, Account, Cause
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.generations import render, unknown_types
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import listed, page_of
from sandbox.stripe.parameters import array, boolean, listing, moment, record, text
from sandbox.stripe.store import JsonObject

SHOWN_SECONDS = 30 * 24 * 3600


def record_event(
    account: Account,
    type: str,
    subject: JsonObject,
    cause: Cause = STRIPE_ITSELF,
    previous: Mapping[str, Any] | None = None,
) -> None:
    """Write down that something happened to `subject`, as it is now, and send it to the endpoints that want it.

    `previous` are fields as they were before, some or all: what differs from now becomes `previous_attributes`.
    """
    data_in = partial(_data, account, subject, subject | dict(previous or {}))
    event = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": account.settings.api_version,
        "created": int(account.clock.wall()),  # An event is under no test clock, whatever its object is.
        "data": data_in(account.settings.api_version),
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": cause.request_id, "idempotency_key": cause.idempotency_key},
        "type": type,
    }
    event["pending_webhooks"] = account.deliveries.announce(event, data_in)
    account.store.add(event)


def _data(account: Account, subject: JsonObject, before: JsonObject, version: str) -> JsonObject:
    """What the event is about, and what was different before, as that API version shows them."""
    now = render(account.store, subject, version)
    changed = differences(render(account.store, before, version), now) if before != subject else {}
    return {"object": now, **({"previous_attributes": changed} if changed else {})}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> JsonObject:
    """The fields of `before` that are not so now; of a hash only its own such fields, of an array all of it.

    What is new has the value None, as with Stripe.
    """
    told: JsonObject = {}
    for name in [*before, *(name for name in now if name not in before)]:
        was, is_now = before.get(name), now.get(name)
        if was == is_now:
            continue
        both = isinstance(was, Mapping) and isinstance(is_now, Mapping)
        told[name] = differences(was, is_now) if both else was  # type: ignore[arg-type]
    return told


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("event", call.path["id"])


def list_events(call: Call) -> JsonObject:
    """Newest first, thirty days back. `types` is a list of types, `type` one that may end in `*`."""
    page = page_of(call.params, **_filters(call))
    return listed(call.account.store, "event", "/v1/events", page)


def _filters(call: Call) -> dict[str, Any]:
    horizon = int(call.account.clock.wall()) - SHOWN_SECONDS
    created = dict(call.params.get("created", {}))
    created["gt"] = max(created.get("gt", 0), horizon)
    hidden = unknown_types(call.account.settings.api_version)
    filters: dict[str, Any] = {"created": created, "outside": {"type": hidden} if hidden else {}}
    if "type" in call.params and "types" in call.params:
        message = "You may only specify one of these parameters: type, types."
        raise StripeRefusal(400, message, code="parameters_exclusive", param="types")
    if "type" in call.params:
        filters["like"] = {"type": call.params["type"]}
    if call.params.get("types"):
        filters["among"] = {"type": call.params["types"]}
    if call.params.get("delivery_success") is False:
        filters["above"] = {"pending_webhooks": 0}
    elif call.params.get("delivery_success") is True:
        filters["equal"] = {"pending_webhooks": 0}
    return filters


LIST = listing(created=moment(), type=text(), types=array(text(), most=20), delivery_success=boolean())

ENDPOINTS = (
    Endpoint("GET", "/v1/events", list_events, LIST),
    Endpoint("GET", "/v1/events/{id}", retrieve, record()),
)
