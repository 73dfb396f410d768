"""A look-alike per module, on a real socket, with a receiver for its webhooks; the official SDK speaks to it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import stripe

from sandbox.stripe.account import Settings
from sandbox.stripe.embedded import serving
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike
from tests.sandbox.stripe.receiver import Receiver, receiving


def settings(data: Path, webhook_url: str | None) -> Settings:
    """Fast: a minute between two attempts lasts 20 ms; a debit settles when a test says so."""
    return Settings(
        data=data,
        base_url="",
        api_key=API_KEY,
        webhook_secret=WEBHOOK_SECRET,
        webhook_url=webhook_url,
        retry_minute_seconds=0.02,
        settlement_seconds=600,
        booking_seconds=0.02,
    )


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as place:
        yield place


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[str]:
    with serving(settings(tmp_path_factory.mktemp("stripe"), receiver.url)) as address:
        yield address


@pytest.fixture
async def lookalike(address: str) -> AsyncIterator[LookAlike]:
    async with speaking_to(address) as speaker:
        yield speaker


class speaking_to:  # noqa: N801 - used like a function, in `async with`
    """The SDK's async client and a plain HTTP client for one address, closed at the end."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def __aenter__(self) -> LookAlike:
        # No TLS on loopback: loading certificates would be most of the time a test takes.
        self.sdk_http = stripe.HTTPXClient(verify_ssl_certs=False)
        self.http = httpx.AsyncClient(base_url=self.address, timeout=10, verify=False, trust_env=False)
        client = stripe.StripeClient(
            API_KEY, base_addresses={"api": self.address}, http_client=self.sdk_http, max_network_retries=0
        )
        return LookAlike(self.address, client, self.http)

    async def __aexit__(self, *_: object) -> None:
        await self.sdk_http.close_async()  # type: ignore[no-untyped-call]
        await self.http.aclose()
