"""Fixtures that every test can ask for: Stripe's look-alike, served, and our gateway to it over the real SDK."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import stripe

from gateways.stripe.client import StripeGateway
from sandbox.stripe.account import Settings
from sandbox.stripe.embedded import serving
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike
from tests.sandbox.stripe.receiver import Receiver, receiving


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as place:
        yield place


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[str]:
    """Where the look-alike is. A debit there settles when a test says so."""
    settings = Settings(
        data=tmp_path_factory.mktemp("stripe"),
        base_url="",
        api_key=API_KEY,
        webhook_secret=WEBHOOK_SECRET,
        webhook_url=receiver.url,
        settlement_seconds=600,
        booking_seconds=0.02,
    )
    with serving(settings) as address:
        yield address


@pytest.fixture
async def lookalike(address: str) -> AsyncIterator[LookAlike]:
    """The other side, for what the gateway does not show. Its faults end with the test."""
    sdk_http = stripe.HTTPXClient()
    client = stripe.StripeClient(API_KEY, base_addresses={"api": address}, http_client=sdk_http)
    async with httpx.AsyncClient(base_url=address, timeout=10) as http:
        yield LookAlike(address, client, http)
        await http.delete("/sandbox/faults")
    await sdk_http.close_async()  # type: ignore[no-untyped-call]


@pytest.fixture
async def gateway(address: str) -> AsyncIterator[StripeGateway]:
    opened = StripeGateway(API_KEY, ["whsec_older", WEBHOOK_SECRET], address)
    yield opened
    await opened.close()


@pytest.fixture
async def impatient_gateway(address: str) -> AsyncIterator[StripeGateway]:
    """One that waits half a second for an answer."""
    opened = StripeGateway(API_KEY, [WEBHOOK_SECRET], address, timeout_seconds=0.5)
    yield opened
    await opened.close()
