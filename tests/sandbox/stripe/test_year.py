"""A year of a subscription in seconds: twelve renewals, one failed and recovered, a change of plan, a refund."""

import random
from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import LookAlike
from tests.sandbox.stripe.receiver import Receiver

DAY = 86400


def item_of(subscription: stripe.Subscription) -> Any:
    (item,) = subscription["items"]["data"]
    return item


async def invoices_of(lookalike: LookAlike, subscription: stripe.Subscription) -> list[stripe.Invoice]:
    found = await lookalike.client.v1.invoices.list_async(
        {"subscription": subscription.id, "limit": 100, "expand": ["data.payments"]}
    )
    return found.data[::-1]


async def to_period(lookalike: LookAlike, subscription: stripe.Subscription, count: int) -> None:
    """So many periods on, and an hour, so that the last renewal is paid or has failed."""
    for _ in range(count):
        end = item_of(await lookalike.subscription(subscription.id)).current_period_end
        await lookalike.control("clock/advance", to=end + 3600)


async def a_year(lookalike: LookAlike) -> stripe.Subscription:
    subscription = await lookalike.subscribe(subscription_data={"metadata": {"payment_id": "pay_1"}})
    customer = str(subscription.customer)
    await to_period(lookalike, subscription, 4)
    await lookalike.use_card(customer, subscription.id, "pm_card_chargeCustomerFail")
    await to_period(lookalike, subscription, 1)
    assert (await lookalike.subscription(subscription.id)).status == "past_due"
    await lookalike.use_card(customer, subscription.id, "pm_card_visa")
    await lookalike.advance(days=3)
    await lookalike.advance(days=7)
    change: Any = {"items": [{"id": item_of(subscription).id, "price": "price_team_monthly"}]}
    await lookalike.client.v1.subscriptions.update_async(subscription.id, change)
    await to_period(lookalike, subscription, 4)
    paid = (await invoices_of(lookalike, subscription))[-1]
    assert paid.payments is not None
    refund: Any = {"payment_intent": str(paid.payments.data[0].payment.payment_intent), "amount": 1000}
    await lookalike.client.v1.refunds.create_async(refund)
    await to_period(lookalike, subscription, 3)
    await lookalike.advance(2)  # The last charge is booked.
    return await lookalike.subscription(subscription.id)


async def test_a_year_ends_with_twelve_renewals_paid_and_every_event_told_once(
    own_lookalike: LookAlike, receiver: Receiver
) -> None:
    receiver.arrivals.clear()

    subscription = await a_year(own_lookalike)
    assert (await own_lookalike.control("deliveries/settle", within_seconds=60))["settled"]

    invoices = await invoices_of(own_lookalike, subscription)
    assert (subscription.status, item_of(subscription).price.id) == ("active", "price_team_monthly")
    assert [invoice.status for invoice in invoices] == ["paid"] * 13
    assert [invoice.amount_paid for invoice in invoices[:6]] == [2000] * 6
    assert invoices[6].amount_paid > 5000  # With what the change came to in the middle of the month before
    assert [invoice.amount_paid for invoice in invoices[7:]] == [5000] * 6
    assert [invoice.attempt_count for invoice in invoices] == [1] * 13
    charges = (
        await own_lookalike.client.v1.charges.list_async({"customer": str(subscription.customer), "limit": 100})
    ).data
    assert sorted(charge.status for charge in charges) == ["failed"] + ["succeeded"] * 13
    assert sum(charge.amount_refunded for charge in charges) == 1000
    told = [arrival.event for arrival in receiver.arrivals]
    assert len({event["id"] for event in told}) == len(told)
    counts = {type: sum(event["type"] == type for event in told) for type in ("invoice.paid", "invoice.payment_failed")}
    assert counts == {"invoice.paid": 13, "invoice.payment_failed": 1}


@pytest.mark.parametrize("seed", range(2))
async def test_a_year_is_told_in_any_order_with_nothing_lost(
    own_lookalike: LookAlike, receiver: Receiver, seed: int
) -> None:
    receiver.arrivals.clear()
    await own_lookalike.control("deliveries/hold")
    await a_year(own_lookalike)
    made = [
        delivery["event"] for delivery in (await own_lookalike.http.get("/sandbox/deliveries")).json()["deliveries"]
    ]

    first = random.Random(seed).sample(made, 5)
    await own_lookalike.control(
        "deliveries/release", events=first, order="shuffled", seed=seed, most_copies=3, at_once=4
    )

    arrived = [arrival.event["id"] for arrival in receiver.arrivals]
    assert set(arrived) == set(made)
    assert len(arrived) > len(made)
