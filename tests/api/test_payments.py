"""Payments over HTTP: started, unconfirmed, canceled."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from api.state import Services
from domain.payment import PaymentCanceled, PaymentInitiated, PaymentSucceeded, PaymentUnconfirmed
from gateways.stripe import paced
from gateways.stripe.client import StripeGateway
from tests.api.conftest import Memory
from tests.api.shop import PAYMENT, Shop, error_of
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike


async def test_a_customer_is_sent_to_a_page_that_takes_the_payment(shop: Shop, store: Memory) -> None:
    answer = await shop.pay({**PAYMENT, "email": "person@example.com", "quantity": 2, "metadata": {"order": "7"}})

    started = answer.json()
    initiated = next(event for event in store.events if isinstance(event, PaymentInitiated))
    assert answer.status_code == 201
    assert started["status"] == "checkout_opened"
    assert answer.headers["Consistency-Token"] == f"{started['payment_id']}@2"
    assert (initiated.amount_minor, initiated.currency, initiated.metadata) == (5998, "usd", {"order": "7"})
    async with httpx.AsyncClient() as browser:
        page = await browser.get(started["checkout_url"])
    assert page.status_code == 200
    assert "59.98" in page.text


async def test_the_customer_s_address_is_in_no_fact(shop: Shop, store: Memory) -> None:
    await shop.pay({**PAYMENT, "email": "person@example.com"})

    assert all(b"person@" not in row.payload for row in store.rows)


async def test_a_price_that_no_product_has_is_sold_as_the_gateway_states_it(shop: Shop, store: Memory) -> None:
    answer = await shop.pay({"user_id": "user-42", "price_id": "price_yen"})

    initiated = next(event for event in store.events if isinstance(event, PaymentInitiated))
    assert answer.status_code == 201
    assert (initiated.amount_minor, initiated.currency) == (500, "jpy")


@pytest.fixture
async def cut_off(
    services: Services, client_of: Callable[[Services], httpx.AsyncClient]
) -> AsyncIterator[httpx.AsyncClient]:
    """The same service, while its gateway does not answer."""
    gateway = StripeGateway(API_KEY, [WEBHOOK_SECRET], "http://127.0.0.1:1")
    async with client_of({**services, "gateway": gateway}) as client:
        yield client
    await gateway.close()


async def test_while_the_gateway_is_away_a_payment_is_accepted_and_a_retry_goes_on_with_it(
    shop: Shop, cut_off: httpx.AsyncClient, store: Memory
) -> None:
    early = await Shop(cut_off, shop.answer).pay(Idempotency_Key="order-1")
    later = await shop.pay(Idempotency_Key="order-1")

    assert (early.status_code, later.status_code) == (202, 201)
    assert (early.json()["status"], early.json()["checkout_url"]) == ("unconfirmed", None)
    assert "Idempotent-Replayed" not in early.headers
    assert later.json()["payment_id"] == early.json()["payment_id"]
    assert later.json()["checkout_url"] is not None
    assert sum(isinstance(event, PaymentInitiated) for event in store.events) == 1
    assert sum(isinstance(event, PaymentUnconfirmed) for event in store.events) == 1


async def test_while_the_gateway_is_away_nothing_can_be_said_of_a_price(shop: Shop, cut_off: httpx.AsyncClient) -> None:
    answer = await Shop(cut_off, shop.answer).pay({"user_id": "user-42", "price_id": "price_yen"})

    assert answer.status_code == 502
    assert error_of(answer)["type"] == "payment_gateway_error"


async def test_where_stripe_takes_no_more_calls_a_caller_is_told_when_to_come_again(
    shop: Shop, store: Memory, lookalike: LookAlike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced, "PAUSES_SECONDS", (0.01,))
    await lookalike.control("faults", kind="rate_limit", path="/v1/checkout/sessions", times=2)

    busy = await shop.pay(Idempotency_Key="order-1")
    later = await shop.pay(Idempotency_Key="order-1")

    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "2")
    assert (error_of(busy)["type"], error_of(busy)["code"]) == ("rate_limited", "gateway_busy")
    assert (later.status_code, later.json()["status"]) == (201, "checkout_opened")
    told = [type(event) for event in store.events if isinstance(event, PaymentInitiated | PaymentUnconfirmed)]
    assert told == [PaymentInitiated], "nothing is unclear about it"


async def test_a_payment_that_nobody_paid_can_be_canceled_once_and_for_all(shop: Shop, store: Memory) -> None:
    payment_id = (await shop.pay()).json()["payment_id"]
    path = f"/api/v1/payments/{payment_id}/cancel"

    first = await shop.client.post(path, json={"reason": "sold out"}, headers={**shop.auth, "Idempotency-Key": "c-1"})
    again = await shop.client.post(path, json={"reason": "sold out"}, headers={**shop.auth, "Idempotency-Key": "c-1"})
    anew = await shop.client.post(path, headers=shop.auth)

    assert first.json() == {"payment_id": payment_id, "status": "canceled"}
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert anew.json() == first.json()
    canceled = [event for event in store.events if isinstance(event, PaymentCanceled)]
    assert canceled == [PaymentCanceled(payment_id=payment_id, reason="sold out")]


async def test_a_cancel_that_comes_after_the_money_finds_a_success(
    shop: Shop, store: Memory, lookalike: LookAlike
) -> None:
    started = (await shop.pay()).json()
    await lookalike.control(f"checkout/{started['checkout_session_id']}/pay", card_number="4242424242424242")

    answer = await shop.client.post(f"/api/v1/payments/{started['payment_id']}/cancel", headers=shop.auth)

    assert answer.status_code == 409
    assert error_of(answer)["code"] == "payment_already_succeeded"
    assert any(isinstance(event, PaymentSucceeded) for event in store.events)
    assert not any(isinstance(event, PaymentCanceled) for event in store.events)
