"""Statements of a subscription: the newer one holds, and where nobody can tell which that is, the gateway is asked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from commands.open_requests import RequestKind
from commands.statements import LOOK_AGAIN_WITHIN, look_again_at
from domain.subscription import Status, SubscriptionCanceled, SubscriptionExpired
from gateways.errors import GatewayUnavailable, NoticeUnmatched
from gateways.notices import SubscriptionStated
from gateways.stripe.client import StripeGateway
from tests.commands.payments import context
from tests.commands.subscriptions import Service, Subscribed, clock, subscribe
from tests.sandbox.stripe.lookalike import LookAlike
from tests.subscribing import stated

SUBSCRIPTIONS = "/v1/subscriptions/*"


@pytest.fixture
async def subscribed(gateway: StripeGateway, lookalike: LookAlike) -> Subscribed:
    """A subscription of which the service knows its beginning."""
    found = await subscribe(gateway, lookalike)
    await found.catch_up()
    return found


async def said(subscribed: Subscribed, **changes: object) -> SubscriptionStated:
    """What is known of it, said in the same second with something else in it."""
    known = (await subscribed.subscription()).standing
    now = await subscribed.service.gateway.read_subscription(subscribed.gateway_subscription_id)
    return SubscriptionStated(
        payment_id=subscribed.payment_id,
        stated=replace(now, **changes),  # type: ignore[arg-type]
        stated_at=known.stated_at,
    )


async def test_two_statements_of_one_second_that_differ_are_settled_by_asking(subscribed: Subscribed) -> None:
    await subscribed.service.tell(await said(subscribed, status=Status.INCOMPLETE))

    assert (await subscribed.subscription()).status is Status.ACTIVE


async def test_what_the_gateway_answers_is_taken_over_whatever_was_said(subscribed: Subscribed) -> None:
    old = await said(subscribed, quantity=7)
    await subscribed.lookalike.client.v1.subscriptions.update_async(
        subscribed.gateway_subscription_id, {"cancel_at_period_end": True}
    )

    await subscribed.service.tell(old)

    assert isinstance(subscribed.service.store.events[-1], SubscriptionCanceled)
    standing = (await subscribed.subscription()).standing
    assert (standing.quantity, standing.cancel_at) == (1, standing.current_period_end)
    assert standing.asked


async def test_while_the_gateway_cannot_be_asked_an_unclear_statement_waits(
    subscribed: Subscribed, lookalike: LookAlike
) -> None:
    notice, before = await said(subscribed, quantity=7), subscribed.service.told
    await lookalike.control("faults", kind="server_error", path=SUBSCRIPTIONS, times=9)

    with pytest.raises(GatewayUnavailable):
        await subscribed.service.tell(notice)

    assert subscribed.service.told == before


async def test_a_clear_statement_asks_nobody(subscribed: Subscribed, lookalike: LookAlike) -> None:
    """A thousand renewals in an hour must not be a thousand calls."""
    notice = await said(subscribed, quantity=7)
    await lookalike.control("faults", kind="server_error", path=SUBSCRIPTIONS, times=9)

    await subscribed.service.tell(replace(notice, stated_at=notice.stated_at + timedelta(seconds=1)))

    assert (await subscribed.subscription()).standing.quantity == 7


async def test_the_statements_of_a_cancellation_become_its_facts(subscribed: Subscribed, lookalike: LookAlike) -> None:
    await lookalike.client.v1.subscriptions.update_async(
        subscribed.gateway_subscription_id, {"cancel_at_period_end": True}
    )
    await subscribed.catch_up()
    canceled = await subscribed.subscription()
    assert (canceled.status, canceled.standing.access_until) == (Status.ACTIVE, canceled.standing.current_period_end)

    await subscribed.next_period()
    await subscribed.catch_up()

    (expired,) = [event for event in subscribed.service.store.events if isinstance(event, SubscriptionExpired)]
    assert expired.access_until == canceled.standing.cancel_at
    assert expired.end_reason == "cancellation_requested"


async def test_a_subscription_is_asked_about_from_its_beginning_until_it_ends(
    subscribed: Subscribed, lookalike: LookAlike
) -> None:
    id = (await subscribed.subscription()).subscription_id
    watched = subscribed.service.open_requests.due_at
    assert (RequestKind.SUBSCRIPTION, id) in watched

    await lookalike.client.v1.subscriptions.cancel_async(subscribed.gateway_subscription_id)
    await subscribed.catch_up()

    assert (RequestKind.SUBSCRIPTION, id) not in watched


async def test_a_subscription_is_looked_at_again_when_something_should_have_become_known(
    subscribed: Subscribed, lookalike: LookAlike
) -> None:
    subscription, now = await subscribed.subscription(), await clock(lookalike)

    assert look_again_at(subscription, now) == now + LOOK_AGAIN_WITHIN
    end = subscription.standing.current_period_end
    assert end < look_again_at(subscription, end - timedelta(hours=1)) < end + timedelta(hours=3)


async def test_a_statement_of_what_nobody_here_sold_waits(gateway: StripeGateway) -> None:
    notice = SubscriptionStated(payment_id="pay_unknown", stated=stated(), stated_at=context().now)

    with pytest.raises(NoticeUnmatched):
        await Service(gateway).tell(notice)
