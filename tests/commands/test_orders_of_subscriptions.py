"""Every order of the events that a subscription's life is told by, each one to three times, at once: one and the same end."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from domain.payment import PAYMENTS
from gateways.notices import Delivery
from gateways.stripe.client import StripeGateway
from tests.commands.subscriptions import SAVED_BUT_DECLINED, Service, Subscribed, subscribe
from tests.sandbox.stripe.lookalike import LookAlike

MOST = 5  # events of a life that are told in every order: 120 of them

Life = Callable[[Subscribed], Awaitable[None]]


async def begin(subscribed: Subscribed) -> None:
    """Nothing more than its checkout."""


async def renew(subscribed: Subscribed) -> None:
    await subscribed.next_period()


async def fail_and_recover(subscribed: Subscribed) -> None:
    at_stripe = await subscribed.lookalike.subscription(subscribed.gateway_subscription_id)
    await subscribed.lookalike.use_card(str(at_stripe.customer), at_stripe.id, SAVED_BUT_DECLINED)
    await subscribed.catch_up()
    await subscribed.next_period()
    await subscribed.lookalike.use_card(str(at_stripe.customer), at_stripe.id, "pm_card_visa")
    await subscribed.lookalike.advance(days=8)


async def cancel(subscribed: Subscribed) -> None:
    id = subscribed.gateway_subscription_id
    await subscribed.lookalike.advance(days=20)
    await subscribed.lookalike.client.v1.subscriptions.update_async(id, {"cancel_at_period_end": True})
    await subscribed.lookalike.advance(days=12)


STATEMENTS = ("customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted")
LIVES: dict[str, tuple[Life, tuple[str, ...]]] = {
    "first invoice": (begin, ("checkout.session.completed", "customer.subscription.created", "invoice.paid")),
    "renewal": (renew, (*STATEMENTS, "invoice.paid")),
    "failed renewal": (fail_and_recover, (*STATEMENTS, "invoice.payment_failed", "invoice.paid")),
    "cancel": (cancel, STATEMENTS),
}


async def seen(subscribed: Subscribed, service: Service) -> tuple[object, ...]:
    """What anybody can see in the end: how it stands, what was paid, which credits there are."""
    subscription = await subscribed.subscription(service)
    standing = replace(subscription.standing, asked=False, stated_at=subscription.started_at)
    payments = []
    for id in sorted({row.stream for row in service.store.rows if row.stream.startswith("pay_")}):
        found = await service.store.load(PAYMENTS.at(id))
        payments.append(str(found))
    return standing, subscription.paid, tuple(subscription.unpaid), tuple(payments), await subscribed.credits(service)


def strewn(order: Sequence[Delivery], chance: random.Random) -> list[Delivery]:
    """The order, each event with up to two more copies of it somewhere behind."""
    told = list(order)
    for delivery in order:
        for _ in range(chance.randrange(3)):
            told.insert(chance.randrange(told.index(delivery) + 1, len(told) + 1), delivery)
    return told


@pytest.mark.parametrize("life", LIVES)
async def test_every_order_of_a_life_s_events_ends_the_same(
    gateway: StripeGateway, lookalike: LookAlike, life: str
) -> None:
    live, types = LIVES[life]
    subscribed = await subscribe(gateway, lookalike)
    if life != "first invoice":
        await subscribed.catch_up()
    known = {delivery.event_id for delivery in await subscribed.deliveries()} if life != "first invoice" else set()
    await live(subscribed)
    told = [delivery for delivery in await subscribed.deliveries(*types) if delivery.event_id not in known][-MOST:]
    in_order = subscribed.service.twin()
    await in_order.hear(*told)
    expected, tried, seed = await seen(subscribed, in_order), 0, random.randrange(10**6)

    for order in permutations(told):
        service, tried = subscribed.service.twin(), tried + 1
        await asyncio.gather(*(service.hear(one) for one in strewn(order, random.Random(seed + tried))))
        assert await seen(subscribed, service) == expected, (seed, tried, [one.event_type for one in order])

    print(f"{life}: {tried} orders of {len(told)} events")  # noqa: T201 - how many were tried is to be seen
    assert tried > 1
