"""A customer of a shop who subscribes, and Stripe's webhooks brought to the API by hand."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.api.shop import Shop
from tests.sandbox.stripe.lookalike import LookAlike, eventually
from tests.sandbox.stripe.receiver import Arrival, Receiver

PRO = {
    "id": "pro",
    "name": "Pro",
    "type": "pro_features",
    "price_id": "price_pro_monthly",
    "credits": 500,
    "credit_type": "api",
}
TEAM = {"id": "team", "name": "Team", "type": "pro_features", "price_id": "price_team_monthly"}
PLANS = [PRO, TEAM]


@dataclass(frozen=True)
class Subscriber:
    """One who has paid on the checkout's page. What Stripe tells of it arrived at the receiver, and nowhere else yet."""

    shop: Shop
    lookalike: LookAlike
    receiver: Receiver
    payment_id: str
    at_stripe: str

    async def arrivals(self, *wanted: str) -> list[Arrival]:
        """What arrived about it, of these types and in their order, once each of them has."""
        await eventually(lambda: set(wanted) <= {arrival.event["type"] for arrival in self._about()})
        found = [arrival for arrival in self._about() if arrival.event["type"] in wanted]
        return sorted(found, key=lambda arrival: wanted.index(arrival.event["type"]))

    async def deliver(self, *wanted: str) -> None:
        for arrival in await self.arrivals(*wanted):
            assert (await deliver(self.shop.client, arrival)).status_code == 200

    def _about(self) -> list[Arrival]:
        return [arrival for arrival in self.receiver.arrivals if self.payment_id in arrival.body.decode()]


async def deliver(client: httpx.AsyncClient, arrival: Arrival) -> httpx.Response:
    headers = {"Stripe-Signature": arrival.signature, "Content-Type": "application/json"}
    return await client.post("/webhooks/stripe", content=arrival.body, headers=headers)


async def subscribe(
    shop: Shop, lookalike: LookAlike, receiver: Receiver, user_id: str = "user-42", product_id: str = "pro"
) -> Subscriber:
    started: dict[str, Any] = (await shop.pay({"user_id": user_id, "product_id": product_id})).json()
    session = await lookalike.session(started["checkout_session_id"])
    await lookalike.pay(session, card_number="4242424242424242")
    at_stripe = (await lookalike.session(session.id)).to_dict()["subscription"]
    return Subscriber(shop, lookalike, receiver, started["payment_id"], at_stripe)
