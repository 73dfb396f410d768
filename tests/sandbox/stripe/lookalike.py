"""A look-alike on a real socket, the official SDK speaking to it, and the few moves that tests make again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import stripe

from sandbox.stripe.account import API_VERSION, Settings

WAIT_SECONDS = 10.0
API_KEY = "sk_test_lookalike"
WEBHOOK_SECRET = "whsec_lookalike"
SUCCESS_URL = "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "https://shop.example/cart"


def settings(data: Path, webhook_url: str | None, api_version: str = API_VERSION) -> Settings:
    """Fast: a minute between two attempts lasts 20 ms; a debit or a refund settles when a test says so."""
    return Settings(
        data=data,
        base_url="",
        api_key=API_KEY,
        webhook_secret=WEBHOOK_SECRET,
        webhook_url=webhook_url,
        api_version=api_version,
        retry_minute_seconds=0.02,
        settlement_seconds=600,
        booking_seconds=0.02,
        refund_seconds=600,
        dispute_seconds=0.02,
    )


class LookAlike:
    """One running look-alike: its address, the SDK's client for it, and its control calls."""

    def __init__(self, address: str, client: stripe.StripeClient, http: httpx.AsyncClient) -> None:
        self.address = address
        self.client = client
        self.http = http

    async def open(self, price: str = "price_ebook", **parameters: Any) -> stripe.checkout.Session:
        """A checkout session of one price, made through the SDK."""
        order: Any = {
            "mode": "payment",
            "line_items": [{"price": price, "quantity": 1}],
            "success_url": SUCCESS_URL,
            "cancel_url": CANCEL_URL,
            **parameters,
        }
        return await self.client.v1.checkout.sessions.create_async(order)

    async def session(self, id: str, *expand: str) -> stripe.checkout.Session:
        return await self.client.v1.checkout.sessions.retrieve_async(id, {"expand": list(expand)})

    async def control(self, path: str, /, **told: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/sandbox/{path}", json=told)
        assert answer.is_success, answer.text
        return cast(dict[str, Any], answer.json())

    async def sessions_opened(self) -> int:
        """How many checkout sessions there are, opened by whomever."""
        return int((await self.http.get("/sandbox/counts")).json()["checkout_sessions"])

    async def advance(self, seconds: float = 0, *, days: float = 0) -> None:
        """Move the account's clock; what is due on the way has happened afterwards."""
        await self.control("clock/advance", seconds=seconds + days * 86400)

    async def subscribe(
        self, price: str = "price_pro_monthly", card_number: str = "4242424242424242", **parameters: Any
    ) -> stripe.Subscription:
        """A subscription, as it stands after its checkout was paid with that card."""
        session = await self.open(price, mode="subscription", **parameters)
        await self.pay(session, card_number=card_number)
        subscription = (await self.session(session.id, "subscription")).subscription
        assert isinstance(subscription, stripe.Subscription)
        return subscription

    async def subscription(self, id: str, *expand: str) -> stripe.Subscription:
        return await self.client.v1.subscriptions.retrieve_async(id, {"expand": list(expand)})

    async def use_card(self, customer: str, subscription: str, token: str) -> None:
        """From now on that test card pays for the subscription."""
        method = await self.client.v1.payment_methods.attach_async(token, {"customer": customer})
        await self.client.v1.subscriptions.update_async(subscription, {"default_payment_method": method.id})

    async def pay(self, session: stripe.checkout.Session, /, **told: Any) -> dict[str, Any]:
        return await self.control(f"checkout/{session.id}/pay", **told)

    async def charge(self, card_number: str = "4242424242424242", price: str = "price_ebook") -> stripe.Charge:
        """A charge to a card, by way of a checkout."""
        outcome = await self.pay(await self.open(price), card_number=card_number)
        charges = await self.client.v1.charges.list_async({"payment_intent": outcome["payment_intent"]})
        return charges.data[0]

    async def refused_payment(self, session: stripe.checkout.Session, /, **told: Any) -> dict[str, Any]:
        """The error that paying like this is answered with."""
        answer = await self.http.post(f"/sandbox/checkout/{session.id}/pay", json=told)
        assert answer.status_code == 402, answer.text
        return cast(dict[str, Any], answer.json()["error"])

    async def events(self, about: str) -> list[stripe.Event]:
        """Events that name an object, oldest first, of the last hundred."""
        return [stripe.Event.construct_from(event, API_KEY) for event in await self._events(about)]

    async def event_types(self, about: str) -> list[str]:
        return [str(event["type"]) for event in await self._events(about)]

    async def _events(self, about: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/v1/events", params={"limit": 100}, auth=(API_KEY, ""))
        return [event for event in reversed(answer.json()["data"]) if about in str(event)]

    async def event_types_once(self, about: str, count: int) -> list[str]:
        """The types of the events about an object, once there are that many."""
        async with asyncio.timeout(WAIT_SECONDS):
            while len(types := await self.event_types(about)) < count:  # noqa: ASYNC110 - as below
                await asyncio.sleep(0.01)
        return types


@asynccontextmanager
async def speaking_to(address: str) -> AsyncIterator[LookAlike]:
    """The SDK's async client and a plain HTTP client for one address, closed at the end. Neither tries again."""
    # No TLS on loopback: loading certificates would be most of the time a test takes.
    sdk_http = stripe.HTTPXClient(verify_ssl_certs=False)
    http = httpx.AsyncClient(base_url=address, timeout=60, verify=False, trust_env=False)
    client = stripe.StripeClient(API_KEY, base_addresses={"api": address}, http_client=sdk_http, max_network_retries=0)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(sdk_http.close_async)
        closing.push_async_callback(http.aclose)
        yield LookAlike(address, client, http)


async def eventually(holds: Callable[[], Any], within_seconds: float = WAIT_SECONDS) -> None:
    """Wait until something holds that another thread brings about."""
    async with asyncio.timeout(within_seconds):
        while not holds():  # noqa: ASYNC110 - nothing tells us when
            await asyncio.sleep(0.01)
