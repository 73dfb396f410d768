"""The same key again."""

import asyncio
from typing import Any

import pytest

from domain.payment import PaymentCheckoutOpened, PaymentInitiated
from tests.api.conftest import Memory
from tests.api.shop import PAYMENT, Shop, error_of, register
from tests.sandbox.stripe.lookalike import LookAlike


async def test_fifty_at_once_with_one_key_are_one_payment_one_checkout_and_one_body(
    shop: Shop, store: Memory, lookalike: LookAlike
) -> None:
    before = await lookalike.sessions_opened()

    answers = await asyncio.gather(*(shop.pay(Idempotency_Key="order-1") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert sum(isinstance(event, PaymentInitiated) for event in store.events) == 1
    assert sum(isinstance(event, PaymentCheckoutOpened) for event in store.events) == 1
    assert await lookalike.sessions_opened() == before + 1


async def test_the_same_body_spelled_differently_is_the_same_request(shop: Shop) -> None:
    first = await shop.pay(Idempotency_Key="order-1")

    again = await shop.client.post(
        "/api/v1/payments",
        content=b'{ "product_id" : "ebook",\n  "user_id" : "user\\u002d42" }',
        headers={**shop.auth, "Idempotency-Key": "order-1", "Content-Type": "application/json; charset=utf-8"},
    )

    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Consistency-Token"] == first.headers["Consistency-Token"]


async def test_the_same_key_with_another_body_is_refused(shop: Shop, store: Memory) -> None:
    await shop.pay(Idempotency_Key="order-1")
    recorded = len(store.rows)

    answer = await shop.pay({**PAYMENT, "quantity": 2}, Idempotency_Key="order-1")

    assert answer.status_code == 422
    assert error_of(answer)["type"] == "idempotency_error"
    assert len(store.rows) == recorded


async def test_the_alias_of_a_path_is_the_same_command(shop: Shop) -> None:
    first = await shop.pay(Idempotency_Key="order-1")

    again = await shop.client.post(
        "/api/v1/payments/checkout", json=PAYMENT, headers={**shop.auth, "Idempotency-Key": "order-1"}
    )

    assert again.content == first.content


async def test_one_key_of_two_projects_is_two_commands(shop: Shop) -> None:
    other = await register(shop.client)

    first, second = await shop.pay(Idempotency_Key="order-1"), await other.pay(Idempotency_Key="order-1")

    assert first.json()["payment_id"] != second.json()["payment_id"]


async def test_without_a_key_every_request_is_its_own(shop: Shop) -> None:
    first, second = await shop.pay(), await shop.pay()

    assert first.json()["payment_id"] != second.json()["payment_id"]


async def test_a_decided_refusal_is_given_again_in_the_same_words(shop: Shop) -> None:
    body = {**PAYMENT, "product_id": "no-such-thing"}
    first = await shop.pay(body, Idempotency_Key="order-1", Request_Id="a")

    again = await shop.pay(body, Idempotency_Key="order-1", Request_Id="a")

    assert first.status_code == 404
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "caf\u00e9".encode("latin-1")])
async def test_a_key_that_is_none_is_refused(shop: Shop, store: Memory, key: Any) -> None:
    recorded = len(store.rows)

    answer = await shop.pay(Idempotency_Key=key)

    assert answer.status_code == 400
    assert error_of(answer)["param"] == "Idempotency-Key"
    assert len(store.rows) == recorded


async def test_two_keys_in_one_request_are_refused(shop: Shop) -> None:
    headers = [*shop.auth.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    answer = await shop.client.post("/api/v1/payments", json=PAYMENT, headers=headers)

    assert answer.status_code == 400
