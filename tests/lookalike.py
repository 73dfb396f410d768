"""Fixtures that every test can ask for: Stripe's look-alike, served, and our gateway to it over the real SDK."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateways.stripe.client import StripeGateway
from sandbox.stripe.embedded import serving
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike, settings, speaking_to
from tests.sandbox.stripe.receiver import Receiver, receiving


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as place:
        yield place


@pytest.fixture(scope="module")
def stripe_address(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[str]:
    """Where the module's look-alike is, whose webhooks go to the receiver."""
    with serving(settings(tmp_path_factory.mktemp("stripe"), receiver.url)) as address:
        yield address


@pytest.fixture
async def lookalike(stripe_address: str) -> AsyncIterator[LookAlike]:
    """The other side, for what the gateway does not show. Its faults end with the test."""
    async with speaking_to(stripe_address) as lookalike:
        yield lookalike
        await lookalike.http.delete("/sandbox/faults")


@pytest.fixture
async def own_lookalike(tmp_path: Path, receiver: Receiver) -> AsyncIterator[LookAlike]:
    """A look-alike of the test's own, whose clock it may move."""
    with serving(settings(tmp_path, receiver.url)) as address:
        async with speaking_to(address) as lookalike:
            yield lookalike


@pytest.fixture
async def own_gateway(own_lookalike: LookAlike) -> AsyncIterator[StripeGateway]:
    opened = StripeGateway(API_KEY, [WEBHOOK_SECRET], own_lookalike.address)
    yield opened
    await opened.close()


@pytest.fixture
async def gateway(stripe_address: str) -> AsyncIterator[StripeGateway]:
    opened = StripeGateway(API_KEY, ["whsec_older", WEBHOOK_SECRET], stripe_address)
    yield opened
    await opened.close()


@pytest.fixture
async def impatient_gateway(stripe_address: str) -> AsyncIterator[StripeGateway]:
    """One that waits half a second for an answer."""
    opened = StripeGateway(API_KEY, [WEBHOOK_SECRET], stripe_address, timeout_seconds=0.5)
    yield opened
    await opened.close()
