"""Test clocks: customers with a time of their own, which the account's does not share."""

import asyncio
import time
from contextlib import closing

import pytest
import stripe

from tests.sandbox.stripe.lookalike import API_KEY, WAIT_SECONDS, LookAlike

DAY = 86400
BEGIN = 1_800_000_000  # A second of January 2027


async def clock_at(lookalike: LookAlike, second: int = BEGIN) -> stripe.test_helpers.TestClock:
    return await lookalike.client.v1.test_helpers.test_clocks.create_async({"frozen_time": second, "name": "a test"})


async def ready(lookalike: LookAlike, id: str, second: int) -> stripe.test_helpers.TestClock:
    """The clock, advanced to a second and at rest there."""
    clocks = lookalike.client.v1.test_helpers.test_clocks
    advancing = await clocks.advance_async(id, {"frozen_time": second})
    assert advancing.status == "advancing"
    assert advancing.status_details.advancing is not None
    assert advancing.status_details.advancing.target_frozen_time == second
    async with asyncio.timeout(WAIT_SECONDS):
        while (clock := await clocks.retrieve_async(id)).status != "ready":  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # Nothing tells us when.
    assert clock.frozen_time == second
    return clock


async def customer_under(lookalike: LookAlike, clock: str) -> str:
    customer = await lookalike.client.v1.customers.create_async({"email": "reader@example.com", "test_clock": clock})
    method = await lookalike.client.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
    await lookalike.client.v1.customers.update_async(
        customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )
    return customer.id


async def subscribed(lookalike: LookAlike, customer: str, price: str = "price_pro_monthly") -> stripe.Subscription:
    return await lookalike.client.v1.subscriptions.create_async({"customer": customer, "items": [{"price": price}]})


async def invoices_of(lookalike: LookAlike, subscription: stripe.Subscription) -> list[stripe.Invoice]:
    found = await lookalike.client.v1.invoices.list_async({"subscription": subscription.id, "limit": 100})
    return found.data[::-1]


async def test_what_is_under_a_clock_goes_by_its_time(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike)
    customer = await customer_under(lookalike, clock.id)

    subscription = await subscribed(lookalike, customer)
    (invoice,) = await invoices_of(lookalike, subscription)

    (item,) = subscription["items"]["data"]
    assert (subscription.created, item["current_period_start"], invoice.created) == (BEGIN, BEGIN, BEGIN)
    assert subscription.test_clock == clock.id == invoice.test_clock


async def test_a_payment_intent_does_not(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike)
    subscription = await subscribed(lookalike, await customer_under(lookalike, clock.id))

    payments = await lookalike.client.v1.invoice_payments.list_async({"invoice": str(subscription.latest_invoice)})
    intent = await lookalike.client.v1.payment_intents.retrieve_async(str(payments.data[0].payment.payment_intent))

    assert abs(intent.created - time.time()) < 60


async def test_the_events_of_a_clock_long_past_are_listed_all_the_same(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike, int(time.time()) - 400 * DAY)
    subscription = await subscribed(lookalike, await customer_under(lookalike, clock.id))

    (created,) = [e for e in await lookalike.events(subscription.id) if e.type == "customer.subscription.created"]
    assert created.data.object["created"] == clock.frozen_time
    assert abs(created.created - time.time()) < 60


async def test_an_advanced_clock_renews_and_says_when_it_is_ready(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike)
    subscription = await subscribed(lookalike, await customer_under(lookalike, clock.id))

    await ready(lookalike, clock.id, BEGIN + 33 * DAY)

    first, renewal = await invoices_of(lookalike, subscription)
    assert (first.status, renewal.status, renewal.billing_reason) == ("paid", "paid", "subscription_cycle")
    (item,) = (await lookalike.subscription(subscription.id))["items"]["data"]
    assert renewal.created == item["current_period_start"] == BEGIN + 31 * DAY
    told = [type for type in await lookalike.event_types(clock.id) if type.startswith("test_helpers")]
    assert told == [f"test_helpers.test_clock.{what}" for what in ("created", "advancing", "ready")]


async def test_a_year_under_a_clock_is_twelve_renewals(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike)
    subscription = await subscribed(lookalike, await customer_under(lookalike, clock.id))

    for days in range(59, 355, 59):
        await ready(lookalike, clock.id, BEGIN + days * DAY)

    assert [invoice.status for invoice in await invoices_of(lookalike, subscription)] == ["paid"] * 12


async def test_a_clock_moves_only_what_is_under_it(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike, int(time.time()))
    under = await subscribed(lookalike, await customer_under(lookalike, clock.id))
    beside = await lookalike.subscribe()

    await ready(lookalike, clock.id, int(time.time()) + 40 * DAY)

    assert len(await invoices_of(lookalike, under)) == 2
    assert len(await invoices_of(lookalike, beside)) == 1


async def test_the_accounts_clock_moves_nothing_that_is_under_one(own_lookalike: LookAlike) -> None:
    clock = await clock_at(own_lookalike)
    subscription = await subscribed(own_lookalike, await customer_under(own_lookalike, clock.id))

    await own_lookalike.advance(days=100)

    assert len(await invoices_of(own_lookalike, subscription)) == 1


async def test_a_clock_goes_forward_at_most_two_intervals_at_a_time(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike)
    await subscribed(lookalike, await customer_under(lookalike, clock.id))
    clocks = lookalike.client.v1.test_helpers.test_clocks

    for second in (BEGIN, BEGIN - DAY, BEGIN + 63 * DAY):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await clocks.advance_async(clock.id, {"frozen_time": second})
        assert (refused.value.http_status, refused.value.param) == (400, "frozen_time")


async def test_a_clock_has_three_customers_with_three_subscriptions_at_most(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike)
    customers = [await customer_under(lookalike, clock.id) for _ in range(3)]
    for price in ("price_pro_monthly", "price_team_monthly", "price_pro_yearly"):
        await subscribed(lookalike, customers[0], price)

    with pytest.raises(stripe.InvalidRequestError, match="at most 3 customers"):
        await customer_under(lookalike, clock.id)
    with pytest.raises(stripe.InvalidRequestError, match="at most 3 subscriptions"):
        await subscribed(lookalike, customers[0], "price_trial_monthly")


async def test_a_deleted_clock_takes_its_customers_along(lookalike: LookAlike) -> None:
    clocks = lookalike.client.v1.test_helpers.test_clocks
    clock = await clock_at(lookalike)
    customer = await customer_under(lookalike, clock.id)
    subscription = await subscribed(lookalike, customer)

    deleted = await clocks.delete_async(clock.id)

    assert deleted.deleted
    assert (await lookalike.client.v1.customers.retrieve_async(customer)).deleted
    assert (await lookalike.subscription(subscription.id)).status == "canceled"
    assert clock.id not in [one.id for one in (await clocks.list_async()).data]
    with pytest.raises(stripe.InvalidRequestError):
        await clocks.retrieve_async(clock.id)


async def test_a_customer_under_a_clock_may_pay_on_the_checkout_page(lookalike: LookAlike) -> None:
    clock = await clock_at(lookalike)
    customer = await customer_under(lookalike, clock.id)

    subscription = await lookalike.subscribe(customer=customer)

    assert (subscription.created, subscription.test_clock) == (BEGIN, clock.id)


async def test_the_sdks_other_face_advances_a_clock_too(lookalike: LookAlike) -> None:
    """Its synchronous client, in a thread."""

    def advance() -> str:
        with closing(stripe.HTTPXClient(verify_ssl_certs=False, allow_sync_methods=True)) as http:
            client = stripe.StripeClient(API_KEY, base_addresses={"api": lookalike.address}, http_client=http)
            clocks = client.v1.test_helpers.test_clocks
            clock = clocks.create({"frozen_time": BEGIN})
            clocks.advance(clock.id, {"frozen_time": BEGIN + DAY})
            return clocks.retrieve(clock.id).status

    assert await asyncio.to_thread(advance) in ("advancing", "ready")
