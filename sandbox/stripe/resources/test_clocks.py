"""Test clocks: a time of its own for the customers that are made under one."""

from __future__ import annotations

from sandbox.stripe.account import Account
from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.billing.periods import boundary
from sandbox.stripe.billing.subscription import has_ended
from sandbox.stripe.errors import StripeRefusal, parameter_invalid
from sandbox.stripe.ids import new_id
from sandbox.stripe.lists import listed, page_of
from sandbox.stripe.parameters import integer, listing, record, text
from sandbox.stripe.resources import customers
from sandbox.stripe.resources.events import record_event
from sandbox.stripe.store import JsonObject

KIND = "test_helpers.test_clock"
KEPT_SECONDS = 30 * 86400
MOST_INTERVALS = 2
LONGEST_WITHOUT_SUBSCRIPTION_SECONDS = 2 * 366 * 86400


def create(call: Call) -> JsonObject:
    now = int(call.account.clock.wall())
    clock = {
        "id": new_id("clock"),
        "object": KIND,
        "created": now,
        "deletes_after": now + KEPT_SECONDS,
        "frozen_time": call.params["frozen_time"],
        "livemode": False,
        "name": call.params.get("name"),
        "status": "ready",
        "status_details": {},
    }
    call.account.store.add(clock)
    call.account.agenda.turn(clock["id"], clock["frozen_time"])
    record_event(call.account, f"{KIND}.created", clock, call.cause)
    return clock


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get(KIND, call.path["id"])


def list_clocks(call: Call) -> JsonObject:
    return listed(call.account.store, KIND, "/v1/test_helpers/test_clocks", page_of(call.params))


def advance(call: Call) -> JsonObject:
    """What is due on the way happens soon after the answer; `ready` says that it has."""
    account, clock, target = call.account, retrieve(call), call.params["frozen_time"]
    if target <= clock["frozen_time"]:
        message = "A test clock can only be advanced: frozen_time must be after the present frozen time."
        raise parameter_invalid(message, "frozen_time")
    if target > _farthest(account, clock):
        message = f"A test clock can be advanced by at most {MOST_INTERVALS} intervals of its shortest subscription at a time."
        raise StripeRefusal(400, message, param="frozen_time")
    clock |= {"status": "advancing", "status_details": {"advancing": {"target_frozen_time": target}}}
    account.store.replace(clock)
    record_event(account, f"{KIND}.advancing", clock, call.cause)
    account.agenda.plan("arrive_at_time", clock["id"], target, clock["id"])
    account.agenda.turn(clock["id"], target)
    return clock


def _farthest(account: Account, clock: JsonObject) -> int:
    now = clock["frozen_time"]
    running = [one for one in account.store.every("subscription", test_clock=clock["id"]) if not has_ended(one)]
    ends = [
        boundary(now, item["price"]["recurring"], MOST_INTERVALS)
        for subscription in running
        for item in subscription["items"]["data"]
    ]
    return min(ends, default=now + LONGEST_WITHOUT_SUBSCRIPTION_SECONDS)


def arrive(account: Account, id: str) -> None:
    """A deed of the agenda: all that was due under the clock is done."""
    clock = account.store.get(KIND, id)
    target = clock["status_details"]["advancing"]["target_frozen_time"]
    if account.agenda.something_is_due(id, target):  # What was planned in the last second, on the way
        account.agenda.plan("arrive_at_time", id, target, id)
        return
    clock |= {"frozen_time": target, "status": "ready", "status_details": {}}
    account.store.replace(clock)
    record_event(account, f"{KIND}.ready", clock)


def delete(call: Call) -> JsonObject:
    """With its customers, and with them their subscriptions."""
    clock = retrieve(call)
    for customer in call.account.store.every("customer", test_clock=clock["id"]):
        customers.remove(call.account, customer, call.cause)
    call.account.agenda.forget(clock["id"])
    call.account.store.remove(clock["id"])
    record_event(call.account, f"{KIND}.deleted", clock, call.cause)
    return {"id": clock["id"], "object": KIND, "deleted": True}


SECOND = integer(0, 4_102_444_800)  # Up to the year 2100

ENDPOINTS = (
    Endpoint(
        "POST", "/v1/test_helpers/test_clocks", create, record(["frozen_time"], frozen_time=SECOND, name=text(300))
    ),
    Endpoint("GET", "/v1/test_helpers/test_clocks", list_clocks, listing()),
    Endpoint("GET", "/v1/test_helpers/test_clocks/{id}", retrieve, record()),
    Endpoint("DELETE", "/v1/test_helpers/test_clocks/{id}", delete, record()),
    Endpoint("POST", "/v1/test_helpers/test_clocks/{id}/advance", advance, record(["frozen_time"], frozen_time=SECOND)),
)
