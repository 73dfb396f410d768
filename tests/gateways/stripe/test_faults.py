"""What networks and Stripe do wrong: a page is opened once all the same, and what is unknown is called unknown."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import stripe

from gateways import calls
from gateways.calls import CALLS, Precedence, SharedCalls
from gateways.errors import GatewayBusy, GatewayMisconfigured, GatewayUnavailable
from gateways.stripe import paced
from gateways.stripe.client import StripeGateway
from gateways.stripe.refusals import shown
from runtime import postgres
from sandbox.addresses import free_port
from tests.gateways.stripe.orders import new_key, opened, order
from tests.sandbox.stripe.lookalike import API_KEY, LookAlike
from tests.sandbox.stripe.receiver import Receiver

SESSIONS = "/v1/checkout/sessions"


async def calls_left(lookalike: LookAlike) -> int:
    """How many more calls the ordered faults wait for."""
    faults = (await lookalike.http.get("/sandbox/faults")).json()["faults"]
    return sum(fault["times"] for fault in faults)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "conflict", "lock_timeout"])
async def test_a_single_fault_is_passed_over_and_opens_one_page(
    gateway: StripeGateway, lookalike: LookAlike, kind: str
) -> None:
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind=kind, path=SESSIONS)

    assert (await opened(gateway, order())).url
    assert await lookalike.sessions_opened() == before + 1


async def test_a_fault_that_stays_leaves_the_outcome_unknown(gateway: StripeGateway, lookalike: LookAlike) -> None:
    await lookalike.control("faults", kind="server_error", path=SESSIONS, times=9)

    with pytest.raises(GatewayUnavailable) as caught:
        await opened(gateway, order())
    assert caught.value.retry_after_seconds


@pytest.mark.parametrize("kind", ["reset_after", "hang_after"])
async def test_an_answer_that_was_lost_is_had_again_under_the_same_key(
    gateway: StripeGateway, impatient_gateway: StripeGateway, lookalike: LookAlike, kind: str
) -> None:
    before = await lookalike.sessions_opened()
    request, key = gateway.checkout_request(order()), new_key()
    await lookalike.control("faults", kind=kind, path=SESSIONS, times=9, seconds=2)
    with pytest.raises(GatewayUnavailable):
        await impatient_gateway.open_checkout(request, key)
    await lookalike.http.delete("/sandbox/faults")

    checkout = await gateway.open_checkout(request, key)

    assert checkout.url
    assert await lookalike.sessions_opened() == before + 1


async def test_a_call_is_given_up_when_its_time_is_over_and_says_that_the_outcome_is_unknown(
    impatient_gateway: StripeGateway, lookalike: LookAlike
) -> None:
    await lookalike.control("faults", kind="hang_before", path=SESSIONS, seconds=2)

    with pytest.raises(GatewayUnavailable, match="not known yet"):
        await opened(impatient_gateway, order())


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "PAUSES_SECONDS", (0.01, 0.02, 0.04))


async def test_a_rate_limit_is_no_outage_the_call_is_made_after_a_pause(
    gateway: StripeGateway, lookalike: LookAlike, pauses: None
) -> None:
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind="rate_limit", path=SESSIONS, times=3)

    assert (await opened(gateway, order())).url
    assert await lookalike.sessions_opened() == before + 1


async def test_a_rate_limit_that_stays_is_told_with_the_time_to_come_again(
    gateway: StripeGateway, lookalike: LookAlike, pauses: None
) -> None:
    await lookalike.control("faults", kind="rate_limit", path=SESSIONS, times=9)

    with pytest.raises(GatewayBusy, match="busy") as caught:
        await opened(gateway, order())
    assert (caught.value.details["gateway_code"], caught.value.retry_after_seconds) == ("rate_limit", 2)
    assert await calls_left(lookalike) == 5, "four tries in all"


async def test_where_stripe_says_how_long_to_wait_that_counts(
    stripe_address: str, lookalike: LookAlike, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It seldom does; the look-alike never. So the answer is put in its mouth, on a real connection."""
    monkeypatch.setattr(paced, "PAUSES_SECONDS", (60.0,))
    refused: list[float] = []

    async def say_when(response: httpx.Response) -> None:
        if response.status_code == 429:
            refused.append(time.monotonic())
            response.headers["Retry-After"] = "0.1"

    gateway = StripeGateway(API_KEY, [], stripe_address)
    gateway._http._client_async.event_hooks = {"response": [say_when]}
    await lookalike.control("faults", kind="rate_limit", path="/v1/prices/*")
    try:
        await gateway.read_price("price_ebook")
    finally:
        await gateway.close()

    assert 0.1 <= time.monotonic() - refused[0] < 5


async def test_two_gateways_with_one_budget_keep_within_what_stripe_takes(
    database_url: str, lookalike: LookAlike, stripe_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More calls at once than its own limiter takes in a second, and it has nothing to refuse."""
    monkeypatch.setattr(calls, "PATIENCE_SECONDS", dict.fromkeys(Precedence, 10.0))
    await lookalike.control("limits", per_second=60)  # Some more than the budget: a busy machine lets calls bunch.
    async with postgres.pool(database_url, name="test", size=2) as pool:
        gateways = [StripeGateway(API_KEY, [], stripe_address, calls=SharedCalls(pool, "stripe", 50)) for _ in range(2)]
        refused = CALLS.labels("interactive", "rate_limited")._value.get()
        try:
            await asyncio.gather(*(gateway.read_price("price_ebook") for gateway in gateways for _ in range(35)))
        finally:
            await lookalike.control("limits", per_second=None)
            for gateway in gateways:
                await gateway.close()
    assert CALLS.labels("interactive", "rate_limited")._value.get() == refused


async def test_where_nobody_listens_the_gateway_is_unavailable() -> None:
    gateway = StripeGateway(API_KEY, [], f"http://127.0.0.1:{free_port()}/")
    try:
        with pytest.raises(GatewayUnavailable, match="ConnectError"):
            await gateway.read_price("price_ebook")
    finally:
        await gateway.close()


async def test_a_key_that_stripe_does_not_know_is_the_operators_affair_and_not_repeated(stripe_address: str) -> None:
    gateway = StripeGateway("sk_test_somebody_elses", [], stripe_address)
    try:
        with pytest.raises(GatewayMisconfigured) as caught:
            await gateway.read_price("price_ebook")
    finally:
        await gateway.close()
    assert "somebody_elses" not in caught.value.message


async def test_an_answer_that_is_not_stripes_is_no_answer(receiver: Receiver) -> None:
    gateway = StripeGateway(API_KEY, [], receiver.url)  # Answers whatever is asked with 501 and a page of HTML.
    try:
        with pytest.raises(GatewayUnavailable, match="501"):
            await gateway.ask("cs_test_1")
    finally:
        await gateway.close()


async def test_an_answer_of_an_unknown_shape_leaves_the_outcome_unknown() -> None:
    """Whoever answers a GET like this, it is no price; the field that is missing is named."""
    with _answering(b'{"object": "price", "id": "price_1"}') as address:
        gateway = StripeGateway(API_KEY, [], address)
        try:
            with pytest.raises(GatewayUnavailable, match="`product`"):
                await gateway.read_price("price_1")
        finally:
            await gateway.close()


@contextmanager
def _answering(body: bytes) -> Iterator[str]:
    """A server that answers every GET alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("message", "as_shown"),
    [
        ("Invalid email address: ada@example.com", "Invalid email address: [e-mail address]"),
        ("Invalid API Key provided: sk_test_****1234", "Invalid API Key provided: [key]"),
        ("'whsec_abc' and rk_live_1 do not fit", "'[key]' and [key] do not fit"),
        ("The number 4242 4242 4242 4242 is refused", "The number [number] is refused"),
        ("No such price: 'price_1AbC'", "No such price: 'price_1AbC'"),
    ],
)
def test_what_is_shown_of_stripes_messages_names_no_person_and_no_secret(message: str, as_shown: str) -> None:
    assert shown(message) == as_shown


def test_using_the_gateway_writes_no_telemetry_id_into_the_users_home(gateway: StripeGateway) -> None:
    assert stripe.enable_telemetry is False
