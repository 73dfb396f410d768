"""What webhooks say of subscriptions and their invoices, in three API generations and in odd shapes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from domain.product import Price
from domain.subscription import Invoice, Line, Stated, Status
from gateways.notices import (
    Delivery,
    InvoiceClosed,
    InvoiceFailed,
    InvoicePaid,
    InvoiceUnconfirmed,
    Irrelevant,
    Notice,
    SubscriptionStated,
    Unreadable,
)
from gateways.stripe import webhooks

PAYLOADS = Path(__file__).parent / "payloads"
VERSIONS = ("2020-08-27", "2025-05-28.basil", "2026-10-28.endive")
PAYMENT = "pay_0f1e2d3c4b5a69788796a5b4c3d2e1f0"
JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))
HOUR = timedelta(hours=1)

PRO = Price(price_id="price_pro_monthly", amount_minor=2000, currency="usd", interval="month")
BEGUN = Stated(
    gateway_subscription_id="sub_1Abc",
    status=Status.ACTIVE,
    price=PRO,
    quantity=2,
    started_at=JANUARY,
    current_period_start=JANUARY,
    current_period_end=FEBRUARY,
)
OWING = replace(BEGUN, status=Status.PAST_DUE, current_period_start=FEBRUARY, current_period_end=MARCH, cancel_at=MARCH)
ENDED = replace(OWING, status=Status.EXPIRED, ended_at=MARCH, end_reason="payment_failed")
BILL = Invoice(
    invoice_id="in_2Abc",
    billing_reason="subscription_cycle",
    amount_minor=4000,
    currency="usd",
    issued_at=FEBRUARY,
    lines=(Line(price_id=PRO.price_id, quantity=2, whole_period=True, period_start=FEBRUARY, period_end=MARCH),),
)
OF_SUBSCRIPTION: Any = {"gateway_subscription_id": "sub_1Abc", "payment_id": PAYMENT}
MEANINGS: dict[str, Notice] = {
    "customer.subscription.created": SubscriptionStated(payment_id=PAYMENT, stated=BEGUN, stated_at=JANUARY),
    "customer.subscription.updated": SubscriptionStated(
        payment_id=PAYMENT, stated=OWING, stated_at=FEBRUARY + 2 * HOUR
    ),
    "customer.subscription.deleted": SubscriptionStated(payment_id=PAYMENT, stated=ENDED, stated_at=MARCH),
    "invoice.paid": InvoicePaid(**OF_SUBSCRIPTION, invoice=BILL, gateway_payment_id=None),
    "invoice.payment_failed": InvoiceFailed(
        **OF_SUBSCRIPTION, invoice=BILL, attempt=2, retry_at=FEBRUARY + timedelta(days=3)
    ),
    "invoice.voided": InvoiceClosed(**OF_SUBSCRIPTION, invoice_id="in_2Abc"),
}

Change = Callable[[dict[str, Any]], Any]


def meaning(event_type: str, version: str) -> Notice:
    """Before basil an invoice said what it was paid with, and a subscription not why it ended."""
    notice = MEANINGS[event_type]
    if version == "2020-08-27" and isinstance(notice, InvoicePaid):
        return replace(notice, gateway_payment_id="pi_4Abc")
    if version == "2020-08-27" and isinstance(notice, SubscriptionStated):
        return replace(notice, stated=replace(notice.stated, end_reason=None))
    return notice


def payload(event_type: str, version: str = VERSIONS[-1]) -> bytes:
    return (PAYLOADS / version / f"{event_type}.json").read_bytes()


def changed(event_type: str, change: Change, version: str = VERSIONS[-1]) -> Notice:
    """What a payload says once its object was changed."""
    event = json.loads(payload(event_type, version))
    change(event["data"]["object"])
    return webhooks.read(json.dumps(event).encode()).notice


def stated(change: Change, version: str = VERSIONS[-1], event_type: str = "customer.subscription.created") -> Stated:
    notice = changed(event_type, change, version)
    assert isinstance(notice, SubscriptionStated), notice
    return notice.stated


# Three generations.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("event_type", MEANINGS)
def test_every_api_generation_means_the_same(event_type: str, version: str) -> None:
    delivery = webhooks.read(payload(event_type, version))

    assert delivery.notice == meaning(event_type, version)
    assert (delivery.payment_id, delivery.api_version) == (PAYMENT, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("event_type", MEANINGS)
def test_an_event_that_went_through_the_sdks_objects_means_the_same(event_type: str, version: str) -> None:
    event = stripe.Event.construct_from(json.loads(payload(event_type, version)), None)

    read = webhooks.read(json.dumps(event.to_dict(for_json=True)).encode())

    assert read.notice == meaning(event_type, version)


def test_of_an_old_endpoint_served_by_a_new_stripe_the_item_s_period_counts() -> None:
    """It sends the period in both places."""
    later = int(MARCH.timestamp())

    found = stated(lambda object: object["items"]["data"][0].update(current_period_end=later), "2020-08-27")

    assert found.current_period_end == MARCH


# Subscriptions.


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("incomplete", Status.INCOMPLETE),
        ("trialing", Status.TRIALING),
        ("active", Status.ACTIVE),
        ("past_due", Status.PAST_DUE),
        ("unpaid", Status.UNPAID),
        ("paused", Status.PAUSED),
    ],
)
def test_a_status_is_the_same_word_here(status: str, expected: Status) -> None:
    assert stated(lambda object: object.update(status=status)).status is expected


def test_a_subscription_that_was_never_paid_says_so() -> None:
    found = stated(lambda object: object.update(status="incomplete_expired", ended_at=int(FEBRUARY.timestamp())))

    assert (found.status, found.end_reason, found.ended_at) == (Status.INCOMPLETE_EXPIRED, "never_paid", FEBRUARY)


def test_while_nothing_is_collected_it_is_paused_whatever_it_is_called() -> None:
    paused = {"behavior": "void", "resumes_at": None}

    assert stated(lambda object: object.update(pause_collection=paused)).status is Status.PAUSED
    ended = {"status": "canceled", "ended_at": int(MARCH.timestamp()), "pause_collection": paused}
    assert stated(lambda object: object.update(ended)).status is Status.EXPIRED


def test_an_end_with_the_period_is_at_its_end_where_the_time_is_not_said() -> None:
    assert stated(lambda object: object.update(cancel_at_period_end=True)).cancel_at == FEBRUARY


@pytest.mark.parametrize("place", [0, 1], ids=["listed before it", "listed after it"])
def test_the_checkout_s_own_item_counts_and_what_the_dashboard_added_is_named(place: int) -> None:
    def add(object: dict[str, Any]) -> None:
        items = object["items"]["data"]
        price = {**items[0]["price"], "id": "price_extra", "unit_amount": 5_00}
        items.insert(place, {**items[0], "id": "si_2", "created": items[0]["created"] + 60, "price": price})

    found = stated(add)

    assert (found.price, found.further_price_ids) == (BEGUN.price, ("price_extra",))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_invoice_whose_payment_is_to_be_confirmed_is_to_be_asked_about(version: str) -> None:
    event = json.loads(payload("invoice.payment_failed", version))
    event["type"] = "invoice.payment_action_required"

    notice = webhooks.read(json.dumps(event).encode()).notice

    assert notice == InvoiceUnconfirmed(**OF_SUBSCRIPTION, invoice_id="in_2Abc")
    del event["data"]["object"]["id"]
    assert isinstance(webhooks.read(json.dumps(event).encode()).notice, Unreadable)


def test_of_items_with_different_intervals_the_period_that_they_share_counts() -> None:
    def add_yearly(object: dict[str, Any]) -> None:
        first = object["items"]["data"][0]
        year = {"current_period_start": int((JANUARY - 24 * HOUR).timestamp()), "current_period_end": 1798761600}
        object["items"]["data"].append({**first, "id": "si_2", **year})

    found = stated(add_yearly)

    assert (found.current_period_start, found.current_period_end) == (JANUARY, FEBRUARY)


def test_a_price_that_usage_decides_counts_as_nothing() -> None:
    def meter(object: dict[str, Any]) -> None:
        item = object["items"]["data"][0]
        del item["quantity"]
        item["price"]["recurring"]["usage_type"] = "metered"

    found = stated(meter)

    assert (found.price.amount_minor, found.quantity) == (0, 1)


def test_a_trial_says_when_it_ends() -> None:
    end = int(FEBRUARY.timestamp())

    found = stated(lambda object: object.update(status="trialing", trial_start=int(JANUARY.timestamp()), trial_end=end))

    assert (found.status, found.trial_end) == (Status.TRIALING, FEBRUARY)


# Invoices.


@pytest.mark.parametrize("event_type", ["invoice.paid", "invoice.payment_failed", "invoice.voided"])
def test_an_invoice_for_something_else_is_not_ours(event_type: str) -> None:
    assert changed(event_type, lambda object: object.update(parent=None)) == Irrelevant()


def test_an_expanded_payment_says_what_an_invoice_was_paid_with() -> None:
    def expand(object: dict[str, Any]) -> None:
        made = [
            {"status": "canceled", "payment": {"type": "payment_intent", "payment_intent": "pi_old"}},
            {"status": "paid", "payment": {"type": "payment_intent", "payment_intent": {"id": "pi_4Abc"}}},
        ]
        object["payments"] = {"object": "list", "data": made}

    paid = changed("invoice.paid", expand)

    assert isinstance(paid, InvoicePaid)
    assert paid.gateway_payment_id == "pi_4Abc"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_proration_is_no_whole_period(version: str) -> None:
    def prorate(object: dict[str, Any]) -> None:
        line = object["lines"]["data"][0]
        of_item = line["parent"]["subscription_item_details"] if "parent" in line else line
        of_item["proration"] = True

    paid = changed("invoice.paid", prorate, version)

    assert isinstance(paid, InvoicePaid)
    assert not paid.invoice.buys_period


def test_an_extra_on_an_invoice_is_no_period_and_not_what_it_is_about() -> None:
    def add_extra(object: dict[str, Any]) -> None:
        line = object["lines"]["data"][0]
        details = {"invoice_item": "ii_1", "proration": False, "subscription": "sub_1Abc"}
        parent = {"invoice_item_details": details, "subscription_item_details": None, "type": "invoice_item_details"}
        priced = {"price_details": {"price": "price_setup_fee", "product": "prod_fee"}, "type": "price_details"}
        object["lines"]["data"].insert(0, {**line, "id": "il_0", "parent": parent, "pricing": priced})

    paid = changed("invoice.paid", add_extra)

    assert isinstance(paid, InvoicePaid)
    assert paid.invoice.main_line is not None
    assert paid.invoice.main_line.price_id == PRO.price_id
    assert [line.whole_period for line in paid.invoice.lines] == [False, True]


# Shapes that nobody knows.


@pytest.mark.parametrize(
    ("event_type", "change", "field"),
    [
        ("customer.subscription.created", lambda object: object.update(status="dormant"), "status"),
        ("customer.subscription.created", lambda object: object.pop("items"), "items"),
        ("customer.subscription.created", lambda object: object["items"].update(data=[]), "items"),
        ("customer.subscription.created", lambda object: object["items"].update(data="abc"), "items"),
        (
            "customer.subscription.created",
            lambda object: object["items"]["data"][0].pop("current_period_end"),
            "current_period_end",
        ),
        ("customer.subscription.created", lambda object: object["items"]["data"][0].pop("price"), "id"),
        ("customer.subscription.created", lambda object: object.update(start_date=10**20), "start_date"),
        ("invoice.paid", lambda object: object.pop("lines"), "lines"),
        ("invoice.paid", lambda object: object.update(amount_paid=None), "amount_paid"),
        ("invoice.paid", lambda object: object["lines"]["data"][0].pop("period"), "start"),
        ("invoice.payment_failed", lambda object: object.pop("attempt_count"), "attempt_count"),
    ],
)
def test_an_unknown_shape_of_a_known_type_is_kept_and_says_which_field_it_was(
    event_type: str, change: Change, field: str
) -> None:
    notice = changed(event_type, change)

    assert isinstance(notice, Unreadable)
    assert f"`{field}`" in notice.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data(), event_type=st.sampled_from(sorted(MEANINGS)), value=JSON)
def test_whatever_a_field_holds_the_event_is_kept(data: st.DataObject, event_type: str, value: Any) -> None:
    event = json.loads(payload(event_type))
    place = event["data"]["object"]
    while True:
        name = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not isinstance(place[name], dict | list) or not place[name] or data.draw(st.booleans()):
            place[name] = value
            break
        place = place[name]

    assert isinstance(webhooks.read(json.dumps(event).encode()), Delivery)
