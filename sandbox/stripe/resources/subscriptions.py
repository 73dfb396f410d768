"""Subscriptions: the calls that make, read, change, end and resume them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.stripe.api import Call, Endpoint
from sandbox.stripe.billing import collecting, ending
from sandbox.stripe.billing import subscription as subscriptions
from sandbox.stripe.billing.changing import change, recurring_price, refused, resumed
from sandbox.stripe.billing.periods import period_end
from sandbox.stripe.billing.starting import Beginning, begin
from sandbox.stripe.errors import StripeRefusal, no_such, parameter_invalid, parameter_missing, wrong_state
from sandbox.stripe.lists import given, listed, page_of
from sandbox.stripe.parameters import (
    Reader,
    array,
    boolean,
    choice,
    currency,
    either,
    integer,
    listing,
    merged,
    metadata,
    metadata_change,
    moment,
    record,
    text,
    unsettable,
)
from sandbox.stripe.resources import prices
from sandbox.stripe.store import JsonObject

MOST_PER_TEST_CUSTOMER = 3


# Making one.


def create(call: Call) -> JsonObject:
    account, said = call.account, dict(call.params)
    customer = account.store.get("customer", said["customer"], "customer")
    _refuse_too_many(call, customer)
    said["items"] = _with_prices(call, said.get("items", []))
    if not said["items"]:
        raise parameter_missing("items")
    if "default_payment_method" in said:
        _check_method(call, said["default_payment_method"], customer["id"])
    beginning = _beginning(call, said)
    if _must_be_paid(beginning) and _waits(said) is False and _method(said, customer) is None:
        message = "This customer has no attached payment source or default payment method."
        raise StripeRefusal(400, message, code="resource_missing")
    subscription, invoice = begin(account, beginning, None, call.cause)
    invoice = collecting.finalize(account, invoice, call.cause)
    if _waits(said) and invoice["amount_due"]:
        collecting.intent_for(account, invoice, call.cause)
    else:
        attempt = collecting.collect(account, invoice, call.cause)
        if attempt.failure is not None and said.get("payment_behavior") == "error_if_incomplete":
            raise refused(attempt, stands=False)
    subscription = account.store.get("subscription", subscription["id"])
    return subscription if not _ends(said) else change(account, subscription, _ends(said), call.cause)


def _beginning(call: Call, said: Mapping[str, Any]) -> Beginning:
    parts = [recurring_price(call.account, one, f"items[{index}]") for index, one in enumerate(said["items"])]
    currencies = {part.price["currency"] for part in parts}
    if len(currencies) > 1 or said.get("currency", *currencies) not in currencies:
        raise parameter_invalid("All prices of a subscription must have the same currency.", "items")
    if len({part.price["id"] for part in parts}) < len(parts):
        raise parameter_invalid("Cannot add multiple subscription items with the same plan.", "items")
    now = call.account.clock.second()
    anchor = said.get("billing_cycle_anchor")
    if anchor is not None and not now < anchor <= min(period_end(now, part.price["recurring"], now) for part in parts):
        message = "billing_cycle_anchor must be in the future, and not later than the next natural billing date."
        raise parameter_invalid(message, "billing_cycle_anchor")
    if isinstance(said.get("trial_end"), int) and said["trial_end"] <= now:
        raise parameter_invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end")
    if "trial_period_days" in said and "trial_end" in said:
        message = "You may only specify one of these parameters: trial_end, trial_period_days."
        raise StripeRefusal(400, message, code="parameters_exclusive", param="trial_period_days")
    # A price's own trial is taken only where the caller says so; a checkout always takes it.
    asked = said if said.get("trial_from_plan") else {"trial_period_days": 0, **said}
    one_offs = [_one_off(call, one, index) for index, one in enumerate(said.get("add_invoice_items", []))]
    return Beginning(customer=said["customer"], parts=parts, said=asked, one_offs=one_offs)


def _one_off(call: Call, told: Mapping[str, Any], index: int) -> tuple[JsonObject, int]:
    name = f"add_invoice_items[{index}][price]"
    price = call.account.store.get("price", told["price"], name)
    if price["recurring"] is not None:
        message = (
            "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`."
        )
        raise parameter_invalid(message, name)
    return price, told.get("quantity", 1)


def _must_be_paid(beginning: Beginning) -> bool:
    trial = beginning.said.get("trial_period_days") or isinstance(beginning.said.get("trial_end"), int)
    recurring = [(part.price, part.quantity) for part in beginning.parts if part.quantity is not None and not trial]
    return any(price["unit_amount"] * count for price, count in [*recurring, *beginning.one_offs])


def _waits(said: Mapping[str, Any]) -> bool:
    return said.get("payment_behavior") == "default_incomplete"


def _ends(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in ("cancel_at", "cancel_at_period_end") if name in said}


def _method(said: Mapping[str, Any], customer: JsonObject) -> str | None:
    own: str | None = said.get("default_payment_method") or customer["invoice_settings"]["default_payment_method"]
    return own


def _check_method(call: Call, id: str, customer: str) -> None:
    method = call.account.store.get("payment_method", id, "default_payment_method")
    if method["customer"] != customer:
        message = (
            f"The customer does not have a payment method with the ID {id}. The payment method must be attached to the "
            "customer."
        )
        raise StripeRefusal(400, message, code="resource_missing", param="default_payment_method")


def _refuse_too_many(call: Call, customer: JsonObject) -> None:
    kept = call.account.store.every("subscription", customer=customer["id"])
    running = [one for one in kept if not subscriptions.has_ended(one)]
    if customer["test_clock"] and len(running) >= MOST_PER_TEST_CUSTOMER:
        message = f"A customer with a test clock can have at most {MOST_PER_TEST_CUSTOMER} subscriptions."
        raise StripeRefusal(400, message, code="customer_max_subscriptions")


def _with_prices(call: Call, sent: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Items that name a price: `price_data` makes one for this subscription only."""
    named = []
    for index, told in enumerate(sent):
        name = f"items[{index}]"
        if "price" in told and "price_data" in told:
            message = "You may only specify one of these parameters: price, price_data."
            raise StripeRefusal(400, message, code="parameters_exclusive", param=f"{name}[price_data]")
        if "price_data" in told:
            data = told["price_data"]
            product = prices.product_of(call.account, data, f"{name}[price_data]")
            told = {**told, "price": prices.make(call.account, data, product)["id"]}
        elif "price" not in told and "id" not in told:
            raise parameter_missing(f"{name}[price]")
        named.append({key: value for key, value in told.items() if key != "price_data"})
    return named


# Reading.


def retrieve(call: Call) -> JsonObject:
    return call.account.store.get("subscription", call.path["id"])


def list_subscriptions(call: Call) -> JsonObject:
    """All but canceled ones, unless a status is asked for."""
    filters: dict[str, Any] = {"equal": given(call.params, "customer", "collection_method", "test_clock")}
    status = call.params.get("status")
    if status is None:
        filters["among"] = {"status": [name for name in subscriptions.STATUSES if name not in subscriptions.ENDED]}
    elif status == "ended":
        filters["among"] = {"status": list(subscriptions.ENDED)}
    elif status != "all":
        filters["equal"]["status"] = status
    if "price" in call.params:
        filters["inside"] = {"items.data": ("price.id", call.params["price"])}
    return listed(call.account.store, "subscription", "/v1/subscriptions", page_of(call.params, **filters))


# Changing.


def update(call: Call) -> JsonObject:
    subscription, said = retrieve(call), dict(call.params)
    if subscriptions.has_ended(subscription):
        return _update_ended(call, subscription, said)
    if said.get("cancel_at") is not None and "cancel_at_period_end" in said:
        message = "You may only specify one of these parameters: cancel_at, cancel_at_period_end."
        raise StripeRefusal(400, message, code="parameters_exclusive", param="cancel_at")
    if said.get("default_payment_method"):
        _check_method(call, said["default_payment_method"], subscription["customer"])
    if subscription["status"] == "incomplete" and said.keys() & {"items", "trial_end", "billing_cycle_anchor"}:
        message = (
            "This subscription is not active: its first invoice is not paid. Only metadata and the default payment method "
            "of an incomplete subscription can be updated."
        )
        raise StripeRefusal(400, message)
    said["billing_cycle_anchor"] = _anchor(call)
    said["items"] = _with_prices(call, said.get("items", []))
    return change(call.account, subscription, said, call.cause)


def _update_ended(call: Call, subscription: JsonObject, said: Mapping[str, Any]) -> JsonObject:
    if said.keys() - {"cancellation_details", "metadata"}:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise StripeRefusal(400, message, code="invalid_canceled_subscription_fields")
    changes: JsonObject = {}
    if "metadata" in said:
        changes["metadata"] = merged(subscription["metadata"], said["metadata"])
    if "cancellation_details" in said:
        changes["cancellation_details"] = subscription["cancellation_details"] | said["cancellation_details"]
    return subscriptions.write(call.account, subscription, changes, call.cause)


def _anchor(call: Call, otherwise: str = "unchanged") -> str:
    """`now` or `unchanged`: within an object since 2026-09-30 (endive), as a word before."""
    sent = call.params.get("billing_cycle_anchor", otherwise)
    if "billing_cycle_anchor" not in call.params:
        return otherwise
    if isinstance(sent, str) == call.since_endive:
        shape = "an object with a `type`" if call.since_endive else "one of now or unchanged"
        raise parameter_invalid(f"Invalid billing_cycle_anchor: must be {shape}", "billing_cycle_anchor")
    return sent if isinstance(sent, str) else str(sent["type"])


def cancel(call: Call) -> JsonObject:
    subscription = retrieve(call)
    if subscriptions.has_ended(subscription):
        raise no_such("subscription", subscription["id"])
    if "cancellation_details" in call.params:
        details = subscription["cancellation_details"] | call.params["cancellation_details"]
        subscription = subscriptions.write_silently(call.account, subscription, {"cancellation_details": details})
    invoice_now, prorate = call.params.get("invoice_now", False), call.params.get("prorate", False)
    return ending.cancel(
        call.account, subscription, ending.Ending(cause=call.cause, invoice=invoice_now, prorate=prorate)
    )


def resume(call: Call) -> JsonObject:
    """Out of the pause after a trial."""
    subscription = retrieve(call)
    if subscription["status"] != "paused":
        message = f"Only paused subscriptions can be resumed. This one has the status `{subscription['status']}`."
        raise wrong_state(message)
    return resumed(call.account, subscription, call.cause, keeps_anchor=_anchor(call, "now") == "unchanged")


# What the calls accept.

COUNT = integer(0, 999_999)
PRICE_DATA = record(
    ["currency", "product", "recurring"],
    currency=currency(),
    product=text(),
    recurring=record(["interval"], interval=prices.INTERVAL, interval_count=integer(1, 1095)),
    tax_behavior=choice("exclusive", "inclusive", "unspecified"),
    unit_amount=prices.UNIT_AMOUNT,
)
FEEDBACK = choice(
    "customer_service", "low_quality", "missing_features", "other", "switched_service", "too_complex", "too_expensive",
    "unused",
)  # fmt: skip
CANCELLATION = record(comment=unsettable(text()), feedback=unsettable(FEEDBACK))
TRIAL_SETTINGS = record(
    ["end_behavior"],
    end_behavior=record(["missing_payment_method"], missing_payment_method=choice("cancel", "create_invoice", "pause")),
)
PRORATION = choice("always_invoice", "create_prorations", "none")
ONE_OFFS = array(record(["price"], price=text(), quantity=COUNT), most=20)
BEHAVIOR = choice("allow_incomplete", "default_incomplete", "error_if_incomplete")


def _anchor_reader(name: str, sent: Any) -> Any:
    word = choice("now", "unchanged")
    return record(["type"], type=word)(name, sent) if isinstance(sent, dict) else word(name, sent)


BOTH: dict[str, Reader] = {
    "cancel_at": unsettable(either(integer(), "min_period_end", "max_period_end")),
    "cancel_at_period_end": boolean(),
    "collection_method": choice("charge_automatically"),
    "description": unsettable(text(500)),
    "off_session": boolean(),
    "payment_behavior": BEHAVIOR,
    "proration_behavior": PRORATION,
    "trial_end": either(integer(), "now"),
    "trial_from_plan": boolean(),
    "trial_settings": TRIAL_SETTINGS,
}
CREATE = record(
    ["customer"],
    add_invoice_items=ONE_OFFS,
    billing_cycle_anchor=integer(),
    currency=currency(),
    customer=text(),
    default_payment_method=text(),
    items=array(record(metadata=metadata(), price=text(), price_data=PRICE_DATA, quantity=COUNT), most=20),
    metadata=metadata(),
    trial_period_days=integer(1, 730),
    **BOTH,
)
UPDATE = record(
    billing_cycle_anchor=_anchor_reader,
    cancellation_details=CANCELLATION,
    default_payment_method=unsettable(text()),
    items=array(
        record(
            deleted=boolean(),
            id=text(),
            metadata=metadata_change(),
            price=text(),
            price_data=PRICE_DATA,
            quantity=COUNT,
        ),
        most=20,
    ),
    metadata=metadata_change(),
    pause_collection=unsettable(
        record(["behavior"], behavior=choice("keep_as_draft", "mark_uncollectible", "void"), resumes_at=integer())
    ),
    proration_date=integer(),
    **BOTH,
)
CANCEL = record(cancellation_details=CANCELLATION, invoice_now=boolean(), prorate=boolean())
RESUME = record(
    billing_cycle_anchor=_anchor_reader,
    payment_behavior=choice("resume_on_payment_attempt", "resume_on_payment_success"),
    proration_behavior=PRORATION,
    proration_date=integer(),
)
LIST = listing(
    collection_method=choice("charge_automatically", "send_invoice"),
    created=moment(),
    customer=text(),
    price=text(),
    status=choice("all", "ended", *subscriptions.STATUSES),
    test_clock=text(),
)

ENDPOINTS = (
    Endpoint("POST", "/v1/subscriptions", create, CREATE),
    Endpoint("GET", "/v1/subscriptions", list_subscriptions, LIST),
    Endpoint("GET", "/v1/subscriptions/{id}", retrieve, record()),
    Endpoint("POST", "/v1/subscriptions/{id}", update, UPDATE),
    Endpoint("DELETE", "/v1/subscriptions/{id}", cancel, CANCEL),
    Endpoint("POST", "/v1/subscriptions/{id}/resume", resume, RESUME),
)
