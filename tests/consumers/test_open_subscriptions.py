"""Subscriptions whose webhooks were lost: the reconciler's next look brings what is known up to what Stripe has."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from commands.open_requests import RequestKind
from consumers.open_subscriptions import resolve
from domain.subscription import Status, SubscriptionExpired
from gateways.errors import GatewayUnavailable
from gateways.stripe.client import StripeGateway
from tests.commands.subscriptions import SAVED_BUT_DECLINED, Subscribed, clock, subscribe
from tests.sandbox.stripe.lookalike import LookAlike
from vault.memory import MemoryVault


@pytest.fixture
async def subscribed(gateway: StripeGateway, lookalike: LookAlike) -> Subscribed:
    found = await subscribe(gateway, lookalike)
    await found.catch_up()
    return found


async def look(subscribed: Subscribed, now: datetime | None = None) -> str:
    """What the reconciler makes of it, once its time to look has come."""
    now = now or await clock(subscribed.lookalike)
    service, id = subscribed.service, (await subscribed.subscription()).subscription_id
    kept = await service.open_requests.get(RequestKind.SUBSCRIPTION, id)
    assert kept is not None
    context = kept.context(now, "system:reconciler")
    return await resolve(kept, context, service.store, service.gateway, MemoryVault(), service.open_requests)


async def fail_to_pay(subscribed: Subscribed) -> None:
    at_stripe = await subscribed.lookalike.subscription(subscribed.gateway_subscription_id)
    await subscribed.lookalike.use_card(str(at_stripe.customer), at_stripe.id, SAVED_BUT_DECLINED)


async def test_where_nothing_was_lost_nothing_is_recorded(subscribed: Subscribed) -> None:
    before = subscribed.service.told

    assert await look(subscribed) == "current"
    assert subscribed.service.told == before


async def test_renewals_that_no_webhook_told_of_are_found(subscribed: Subscribed) -> None:
    await subscribed.next_period()
    await subscribed.next_period()

    assert await look(subscribed) == "repaired"

    assert await subscribed.credits() == 1500
    assert Counter(subscribed.service.told)["payment.succeeded"] == 3
    at_stripe = await subscribed.service.gateway.read_subscription(subscribed.gateway_subscription_id)
    assert (await subscribed.subscription()).standing.current_period_end == at_stripe.current_period_end
    assert await look(subscribed) == "current"


async def test_webhooks_that_come_after_all_change_nothing_any_more(subscribed: Subscribed) -> None:
    await subscribed.next_period()
    await look(subscribed)
    standing = (await subscribed.subscription()).standing

    await subscribed.catch_up()

    assert await subscribed.credits() == 1000
    after = (await subscribed.subscription()).standing
    assert (after.status, after.current_period_end) == (standing.status, standing.current_period_end)


async def test_an_end_that_no_webhook_told_of_is_found_and_nothing_asked_any_more(
    subscribed: Subscribed, lookalike: LookAlike
) -> None:
    await lookalike.client.v1.subscriptions.cancel_async(subscribed.gateway_subscription_id)

    assert await look(subscribed) == "ended"

    subscription = await subscribed.subscription()
    assert (subscription.status, subscription.ended) == (Status.EXPIRED, True)
    assert not [id for _, id in subscribed.service.open_requests.due_at if id.startswith("sub_")]


async def test_a_grace_period_ends_by_the_clock(subscribed: Subscribed) -> None:
    await fail_to_pay(subscribed)
    await subscribed.next_period()
    await subscribed.catch_up()
    owing = await subscribed.subscription()
    ends = owing.standing.access_until
    assert ends is not None
    due = subscribed.service.open_requests.due_at
    assert due[RequestKind.SUBSCRIPTION, owing.subscription_id] <= ends

    assert await look(subscribed, ends - timedelta(minutes=1)) == "current"
    assert await look(subscribed, ends) == "lapsed"

    (expired,) = [event for event in subscribed.service.store.events if isinstance(event, SubscriptionExpired)]
    assert (expired.end_reason, expired.access_until) == ("grace_ended", ends)
    assert await look(subscribed, ends + timedelta(days=1)) == "current"


async def test_what_lapsed_and_is_paid_goes_on(subscribed: Subscribed, lookalike: LookAlike) -> None:
    await fail_to_pay(subscribed)
    await subscribed.next_period()
    await subscribed.catch_up()
    await look(subscribed, await clock(lookalike) + timedelta(days=4))
    at_stripe = await lookalike.subscription(subscribed.gateway_subscription_id)
    await lookalike.use_card(str(at_stripe.customer), at_stripe.id, "pm_card_visa")
    await lookalike.client.v1.invoices.pay_async(str(at_stripe.latest_invoice))

    await subscribed.catch_up()

    subscription = await subscribed.subscription()
    assert (subscription.status, subscription.standing.access_until) == (Status.ACTIVE, None)
    assert "subscription.resumed" in subscribed.service.told


async def test_while_the_gateway_is_away_nobody_is_cut_off(subscribed: Subscribed, lookalike: LookAlike) -> None:
    await fail_to_pay(subscribed)
    await subscribed.next_period()
    await subscribed.catch_up()
    await lookalike.control("faults", kind="server_error", path="/v1/subscriptions/*", times=9)

    with pytest.raises(GatewayUnavailable):
        await look(subscribed, await clock(lookalike) + timedelta(days=9))

    assert (await subscribed.subscription()).status is Status.PAST_DUE
