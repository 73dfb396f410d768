"""Metered use: reported once, taken back, billed with the renewal."""

import time
from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import API_KEY, LookAlike

DAY = 86400
METERED: Any = {"line_items": [{"price": "price_calls_metered"}]}


async def metered(lookalike: LookAlike) -> stripe.Subscription:
    return await lookalike.subscribe("price_calls_metered", **METERED)


async def report(lookalike: LookAlike, customer: str, value: int, **more: Any) -> stripe.billing.MeterEvent:
    event: Any = {
        "event_name": "api_calls",
        "payload": {"stripe_customer_id": customer, "value": str(value)},
        **more,
    }
    return await lookalike.client.v1.billing.meter_events.create_async(event)


async def newest_invoice(lookalike: LookAlike, subscription: stripe.Subscription) -> stripe.Invoice:
    return (await lookalike.client.v1.invoices.list_async({"subscription": subscription.id})).data[0]


def item_of(subscription: stripe.Subscription) -> Any:
    (item,) = subscription["items"]["data"]
    return item


async def test_use_is_billed_with_the_renewal(own_lookalike: LookAlike) -> None:
    subscription = await metered(own_lookalike)
    customer, end = str(subscription.customer), item_of(subscription).current_period_end
    for value in (100, 250):
        await report(own_lookalike, customer, value)
    await report(own_lookalike, (await metered(own_lookalike)).customer, 7)  # type: ignore[arg-type]

    await own_lookalike.control("clock/advance", to=end + 3600)

    renewal = await newest_invoice(own_lookalike, subscription)
    (line,) = renewal.lines.data
    assert (renewal.amount_paid, line.amount, line.quantity) == (700, 700, 350)
    assert (line.period.start, line.period.end) == (item_of(subscription).current_period_start, end)

    await report(own_lookalike, customer, 1)
    await own_lookalike.control("clock/advance", to=end + 32 * DAY)
    # Two cents are too little to be charged: they go over to the next invoice.
    assert (await newest_invoice(own_lookalike, subscription)).ending_balance == 2


async def test_a_period_counts_from_its_start_to_just_before_its_end(own_lookalike: LookAlike) -> None:
    subscription = await metered(own_lookalike)
    customer, item = str(subscription.customer), item_of(subscription)
    await own_lookalike.control("clock/advance", to=item.current_period_end)
    await report(own_lookalike, customer, 100, timestamp=item.current_period_end)

    await own_lookalike.advance(3600)

    assert (await newest_invoice(own_lookalike, subscription)).amount_due == 0


async def test_an_identifier_counts_once(lookalike: LookAlike) -> None:
    subscription = await metered(lookalike)
    first = await report(lookalike, str(subscription.customer), 5, identifier="use-1")

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await report(lookalike, str(subscription.customer), 5, identifier="use-1")

    assert first.identifier == "use-1"
    assert (refused.value.http_status, refused.value.user_message) == (
        400,
        "An event already exists with identifier use-1.",
    )
    assert refused.value.headers is not None
    assert refused.value.headers["stripe-should-retry"] == "false"


async def test_an_event_can_be_taken_back_once(lookalike: LookAlike) -> None:
    subscription = await metered(lookalike)
    customer = str(subscription.customer)
    await report(lookalike, customer, 5, identifier="use-2")
    await report(lookalike, customer, 8, identifier="use-3")
    undo: Any = {"event_name": "api_calls", "type": "cancel", "cancel": {"identifier": "use-2"}}

    done = await lookalike.client.v1.billing.meter_event_adjustments.create_async(undo)

    assert done.status == "complete"
    now = int(time.time())
    summaries = await lookalike.client.v1.billing.meters.event_summaries.list_async(
        "mtr_calls", {"customer": customer, "start_time": now - 60, "end_time": now + 60}
    )
    assert [summary.aggregated_value for summary in summaries.data] == [8]
    with pytest.raises(stripe.InvalidRequestError, match="canceled already"):
        await lookalike.client.v1.billing.meter_event_adjustments.create_async(undo)


@pytest.mark.parametrize(("formula", "aggregated"), [("sum", 6), ("count", 3), ("last", 1)])
async def test_a_meter_adds_up_as_it_was_told_to(lookalike: LookAlike, formula: Any, aggregated: int) -> None:
    meters = lookalike.client.v1.billing.meters
    meter = await meters.create_async(
        {"display_name": formula, "event_name": f"{formula}ed", "default_aggregation": {"formula": formula}}
    )
    customer = str((await metered(lookalike)).customer)
    now = int(time.time())
    for seconds, value in ((0, 2), (1, 3), (2, 1)):
        await report(lookalike, customer, value, event_name=meter.event_name, timestamp=now + seconds)

    summaries = await meters.event_summaries.list_async(
        meter.id, {"customer": customer, "start_time": now, "end_time": now + 60}
    )

    assert summaries.data[0].aggregated_value == aggregated


async def test_a_deactivated_meter_counts_no_more(lookalike: LookAlike) -> None:
    meters = lookalike.client.v1.billing.meters
    meter = await meters.create_async(
        {"display_name": "Pages", "event_name": "pages", "default_aggregation": {"formula": "sum"}}
    )
    customer = str((await metered(lookalike)).customer)

    off = await meters.deactivate_async(meter.id)

    assert (off.status, off.status_transitions.deactivated_at is not None) == ("inactive", True)
    with pytest.raises(stripe.InvalidRequestError, match="No active meter"):
        await report(lookalike, customer, 1, event_name="pages")
    assert (await meters.reactivate_async(meter.id)).status == "active"
    assert "mtr_calls" in [one.id for one in (await meters.list_async({"status": "active"})).data]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"event_name": "walks"}, "event_name"),
        ({"payload[stripe_customer_id]": "cus_none"}, "payload[stripe_customer_id]"),
        ({"payload[stripe_customer_id]": ""}, "payload[stripe_customer_id]"),
        ({"payload[value]": "many"}, "payload[value]"),
        ({"timestamp": str(int(time.time()) - 36 * DAY)}, "timestamp"),
        ({"timestamp": str(int(time.time()) + DAY)}, "timestamp"),
        ({"identifier": "x" * 101}, "identifier"),
    ],
)
async def test_use_that_cannot_be_counted_is_refused(lookalike: LookAlike, changes: dict[str, str], param: str) -> None:
    customer = str((await metered(lookalike)).customer)
    form = {"event_name": "api_calls", "payload[stripe_customer_id]": customer, "payload[value]": "1", **changes}

    answer = await lookalike.http.post("/v1/billing/meter_events", data=form, auth=(API_KEY, ""))

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_metered_price_needs_a_meter(lookalike: LookAlike) -> None:
    price: Any = {
        "currency": "usd",
        "unit_amount": 3,
        "product_data": {"name": "Walks"},
        "recurring": {"interval": "month", "usage_type": "metered"},
    }

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await lookalike.client.v1.prices.create_async(price)

    assert refused.value.param == "recurring[meter]"
    price["recurring"]["meter"] = "mtr_calls"
    made = await lookalike.client.v1.prices.create_async(price)
    assert made.recurring is not None
    assert made.recurring.meter == "mtr_calls"


async def test_use_of_the_last_period_is_billed_when_it_ends(own_lookalike: LookAlike) -> None:
    subscription = await metered(own_lookalike)
    await report(own_lookalike, str(subscription.customer), 100)
    await own_lookalike.client.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})

    await own_lookalike.control("clock/advance", to=item_of(subscription).current_period_end)

    assert (await own_lookalike.subscription(subscription.id)).status == "canceled"
    assert (await newest_invoice(own_lookalike, subscription)).amount_paid == 200
