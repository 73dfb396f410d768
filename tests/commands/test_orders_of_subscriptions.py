"""Every order of the webhooks that a subscription's life is told by ends in one and the same state."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateways.notices import Delivery, InvoicePaid
from gateways.stripe.client import StripeGateway
from schemas.names import name_of, topic_of
from tests.commands.subscriptions import (
    ALWAYS_3DS,
    CARD,
    SAVED_BUT_DECLINED,
    SUBSCRIBING_SHOP,
    Subscribed,
    subscribe,
)
from tests.orders import Life, stored, tell_in_every_order
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike

pytestmark = pytest.mark.timeout(600)  # A hundred and twenty copies of a life, on a busy machine.

Note = Callable[[str, object], None]

CREATED = "customer.subscription.created"
UPDATED = "customer.subscription.updated"
DELETED = "customer.subscription.deleted"
COMPLETED = "checkout.session.completed"
SETTLED = "checkout.session.async_payment_succeeded"
PAID = "invoice.paid"
FAILED = "invoice.payment_failed"
UNCONFIRMED = "invoice.payment_action_required"
BEGINNING = (CREATED, PAID, COMPLETED)


@dataclass
class Watched:
    """A subscription of which everything is noted that Stripe sends, for it lists no more than thirty days."""

    subscribed: Subscribed
    lookalike: LookAlike
    sent: dict[str, Delivery] = field(default_factory=dict)

    async def look(self) -> None:
        at_stripe = await self.lookalike.subscription(self.subscribed.gateway_subscription_id)
        names = (self.subscribed.payment_id, at_stripe.id, str(at_stripe.customer))
        answer = await self.lookalike.http.get("/v1/events", params={"limit": 100}, auth=(API_KEY, ""))
        for event in reversed(answer.json()["data"]):
            body = json.dumps(event)
            if any(name in body for name in names):
                self.sent.setdefault(event["id"], self.subscribed.service.gateway.reread(body.encode()))

    async def advance(self, *, days: float = 0, hours: float = 0) -> None:
        await self.lookalike.advance(hours * 3600, days=days)
        await self.look()

    async def renew(self) -> None:
        """A period passes, and the hour for which its invoice stays a draft."""
        await self.subscribed.next_period()
        await self.look()

    async def pay_with(self, token: str) -> None:
        at_stripe = await self.lookalike.subscription(self.subscribed.gateway_subscription_id)
        await self.lookalike.use_card(str(at_stripe.customer), at_stripe.id, token)
        await self.look()

    async def newest_invoice(self) -> str:
        at_stripe = await self.lookalike.subscription(self.subscribed.gateway_subscription_id)
        return str(at_stripe.to_dict()["latest_invoice"])

    def of(self, *wanted: str, beside: Sequence[Delivery] = ()) -> list[Delivery]:
        """For each of these types the first delivery that was not named before, nor is among those beside."""
        found: list[Delivery] = []
        for type in wanted:
            found.append(
                next(
                    delivery
                    for delivery in self.sent.values()
                    if delivery.event_type == type and delivery not in found and delivery not in beside
                )
            )
        return found


Live = Callable[[Watched], Awaitable[None]]


async def begin(watched: Watched) -> None:
    """Nothing more than its checkout."""


async def settle(watched: Watched) -> None:
    """The bank has sent the money of the first invoice, days after its page was complete."""
    checkout_id = (await watched.subscribed.checkout()).checkout_id
    await watched.lookalike.control(f"checkout/{checkout_id}/settle", outcome="succeed")


async def renew(watched: Watched) -> None:
    await watched.renew()


async def fail_and_recover(watched: Watched) -> None:
    await watched.pay_with(SAVED_BUT_DECLINED)
    await watched.renew()
    await watched.pay_with("pm_card_visa")
    await watched.advance(days=8)


async def fail_to_the_end(watched: Watched) -> None:
    await watched.pay_with(SAVED_BUT_DECLINED)
    await watched.renew()
    for _ in range(4):
        await watched.advance(days=8)


async def confirm(watched: Watched) -> None:
    await watched.renew()
    invoice = await watched.newest_invoice()
    await watched.lookalike.client.v1.invoices.pay_async(invoice, {"off_session": False})


async def cancel(watched: Watched) -> None:
    await watched.advance(days=20)
    await watched.lookalike.client.v1.subscriptions.update_async(
        watched.subscribed.gateway_subscription_id, {"cancel_at_period_end": True}
    )
    await watched.look()
    await watched.advance(days=12)


async def change_plan(watched: Watched) -> None:
    at_stripe = await watched.lookalike.subscription(watched.subscribed.gateway_subscription_id)
    item = at_stripe["items"].data[0].id
    await watched.lookalike.client.v1.subscriptions.update_async(
        at_stripe.id, {"items": [{"id": item, "price": "price_team_monthly"}], "proration_behavior": "always_invoice"}
    )
    await watched.look()
    await watched.renew()


async def refund_a_renewal(watched: Watched) -> None:
    await watched.renew()
    told = await watched.subscribed.service.gateway.read_invoice(await watched.newest_invoice())
    assert isinstance(told, InvoicePaid)
    made = await watched.lookalike.client.v1.refunds.create_async(
        {"payment_intent": str(told.gateway_payment_id), "amount": 5_00}
    )
    await watched.lookalike.event_types_once(made.id, 3)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happened, and which of its webhooks are told in every order; `heard` are those that came before all of them.

    `ends` are values of fields that are stored in the end: as a list, sorted.
    """

    live: Live
    told: Sequence[str]
    ends: Mapping[str, Any]
    heard: Sequence[str] = ()
    card: str = CARD
    iban: str | None = None


STORIES = {
    "subscription's first invoice": Story(
        live=begin,
        told=(*BEGINNING, "invoice.finalized"),
        ends={"status": ["active", "succeeded"], "balance": [500]},
    ),
    "subscription's first invoice, delayed": Story(
        live=settle,
        iban="AT611904300234573201",
        told=(CREATED, COMPLETED, SETTLED, PAID),
        ends={"status": ["active", "succeeded"], "balance": [500]},
    ),
    "renewal": Story(
        live=renew,
        heard=(CREATED,),
        told=(PAID, COMPLETED, UPDATED, PAID),
        ends={"status": ["active", "succeeded", "succeeded"], "balance": [1000]},
    ),
    "failed renewal, recovered": Story(
        live=fail_and_recover,
        heard=BEGINNING,
        told=(FAILED, UPDATED, PAID, UPDATED),
        ends={"status": ["active", "succeeded", "succeeded"], "balance": [1000], "access_until": [None]},
    ),
    "failed renewal, given up": Story(
        live=fail_to_the_end,
        heard=BEGINNING,
        told=(FAILED, UPDATED, FAILED, DELETED),
        ends={"status": ["expired", "succeeded"], "balance": [500], "end_reason": ["payment_failed"]},
    ),
    "renewal confirmed by its customer": Story(
        live=confirm,
        card=ALWAYS_3DS,
        heard=BEGINNING,
        told=(UNCONFIRMED, FAILED, UPDATED, PAID),
        ends={"status": ["active", "succeeded", "succeeded"], "balance": [1000], "action_required": [False]},
    ),
    "cancel at the period's end": Story(
        live=cancel,
        told=(CREATED, PAID, UPDATED, DELETED),
        ends={"status": ["expired", "succeeded"], "balance": [500], "end_reason": ["cancellation_requested"]},
    ),
    "change of plan": Story(
        live=change_plan,
        heard=BEGINNING,
        told=(UPDATED, PAID, UPDATED, PAID),
        ends={"status": ["active", "succeeded", "succeeded", "succeeded"], "balance": [2500], "quantity": [1]},
    ),
    "refund of a renewal": Story(
        live=refund_a_renewal,
        heard=BEGINNING,
        told=(PAID, "refund.created", "charge.refunded", "refund.updated"),
        ends={"status": ["active", "succeeded", "succeeded", "succeeded"], "balance": [875]},
    ),
}


@pytest.fixture
async def gateway(own_lookalike: LookAlike) -> AsyncIterator[StripeGateway]:
    """To a look-alike whose clock no other test moves."""
    opened = StripeGateway(API_KEY, [WEBHOOK_SECRET], own_lookalike.address)
    yield opened
    await opened.close()


@pytest.mark.parametrize("name", STORIES)
async def test_every_order_of_a_life_s_webhooks_ends_the_same(
    gateway: StripeGateway, own_lookalike: LookAlike, database_url: str, record_property: Note, name: str
) -> None:
    story = STORIES[name]
    subscribed = await subscribe(gateway, own_lookalike, card_number=story.card, iban=story.iban)
    watched = Watched(subscribed, own_lookalike)
    await watched.look()
    heard = watched.of(*story.heard)
    await story.live(watched)
    await watched.look()
    told = watched.of(*story.told, beside=heard)
    opened = [event for event in subscribed.service.store.events if topic_of(name_of(event)) == "payments"]
    life = Life(
        name=name,
        before=[*opened, *heard],
        told=told,
        others=[delivery for delivery in watched.sent.values() if delivery not in told and delivery not in heard],
        gateway=gateway,
        shop=SUBSCRIBING_SHOP,
    )

    ending = await tell_in_every_order(life, database_url, record_property)

    ends = {field: sorted(stored(ending, field), key=str) for field in story.ends}
    assert ends == story.ends
