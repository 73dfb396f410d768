"""Idempotency keys: the same answer again, or a refusal that says what is wrong with the key."""

import asyncio
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe.lookalike import API_KEY, SUCCESS_URL, LookAlike

FORM = {
    "mode": "payment",
    "success_url": SUCCESS_URL,
    "line_items[0][price]": "price_ebook",
    "line_items[0][quantity]": "1",
}


async def post(lookalike: LookAlike, key: str, path: str = "/v1/checkout/sessions", **form: str) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await lookalike.http.post(path, data=form or FORM, auth=(API_KEY, ""), headers=headers)


async def test_the_same_request_gets_the_same_answer_and_does_nothing_twice(lookalike: LookAlike) -> None:
    before = await lookalike.sessions_opened()

    first, second = await post(lookalike, "same-1"), await post(lookalike, "same-1")

    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"] != second.headers["Request-Id"]
    assert await lookalike.sessions_opened() == before + 1


async def test_the_order_of_the_parameters_does_not_matter(lookalike: LookAlike) -> None:
    first = await post(lookalike, "order-1")
    second = await post(lookalike, "order-1", **dict(reversed(FORM.items())))

    assert second.json()["id"] == first.json()["id"]


async def test_other_parameters_under_the_key_are_refused(lookalike: LookAlike) -> None:
    options: Any = {"idempotency_key": "other-1"}
    customers = lookalike.client.v1.customers
    await customers.create_async({"name": "A"}, options)

    with pytest.raises(stripe.IdempotencyError, match="same parameters they were first used with"):
        await customers.create_async({"name": "B"}, options)


async def test_another_endpoint_under_the_key_is_refused(lookalike: LookAlike) -> None:
    await post(lookalike, "endpoint-1")

    answer = await post(lookalike, "endpoint-1", "/v1/products", name="A thing")

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
    assert "('/v1/products' vs '/v1/checkout/sessions')" in answer.json()["error"]["message"]


async def test_a_key_whose_request_still_runs_is_a_conflict(lookalike: LookAlike) -> None:
    await lookalike.control("faults", kind="hang_before", path="/v1/checkout/sessions", seconds=0.3)
    first = asyncio.create_task(post(lookalike, "running-1"))
    await asyncio.sleep(0.1)

    second = await post(lookalike, "running-1")

    assert (second.status_code, second.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert (await first).status_code == 200
    assert (await post(lookalike, "running-1")).headers["Idempotent-Replayed"] == "true"


async def test_a_refused_parameter_is_not_kept(lookalike: LookAlike) -> None:
    refused = await post(lookalike, "refused-1", mode="payment")
    corrected = await post(lookalike, "refused-1")

    assert (refused.status_code, corrected.status_code) == (400, 200)


async def test_a_refused_state_is_kept(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await lookalike.pay(session, card_number="4242424242424242")
    path = f"/v1/checkout/sessions/{session.id}/expire"

    first = await lookalike.http.post(path, auth=(API_KEY, ""), headers={"Idempotency-Key": "state-1"})
    second = await lookalike.http.post(path, auth=(API_KEY, ""), headers={"Idempotency-Key": "state-1"})

    assert (first.status_code, second.content) == (400, first.content)
    assert second.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(("kind", "made"), [("server_error", 0), ("server_error_after", 1)])
async def test_a_500_is_kept_and_replayed(lookalike: LookAlike, kind: str, made: int) -> None:
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind=kind, path="/v1/checkout/sessions")

    first, second = await post(lookalike, f"broken-{kind}"), await post(lookalike, f"broken-{kind}")

    assert (first.status_code, second.status_code) == (500, 500)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert await lookalike.sessions_opened() == before + made


@pytest.mark.parametrize("kind", ["rate_limit", "lock_timeout", "conflict"])
async def test_what_is_turned_away_at_the_door_is_not_kept(lookalike: LookAlike, kind: str) -> None:
    await lookalike.control("faults", kind=kind, path="/v1/checkout/sessions")

    first, second = await post(lookalike, f"door-{kind}"), await post(lookalike, f"door-{kind}")

    assert first.status_code in (409, 429)
    assert second.status_code == 200


async def test_a_key_is_forgotten_after_a_day(lookalike: LookAlike) -> None:
    first = await post(lookalike, "day-1")
    try:
        await lookalike.control("clock/advance", seconds=24 * 3600 - 5)
        kept = await post(lookalike, "day-1")
        await lookalike.control("clock/advance", seconds=10)
        forgotten = await post(lookalike, "day-1")
    finally:
        await lookalike.control("clock", offset_seconds=0)

    assert kept.json()["id"] == first.json()["id"]
    assert forgotten.json()["id"] != first.json()["id"]


async def test_a_key_has_at_most_255_characters(lookalike: LookAlike) -> None:
    assert (await post(lookalike, "k" * 255)).status_code == 200
    assert (await post(lookalike, "k" * 256)).status_code == 400


async def test_the_sdk_gets_one_session_for_many_tries_at_once(lookalike: LookAlike) -> None:
    before = await lookalike.sessions_opened()
    options: Any = {"idempotency_key": "many-1"}
    order: Any = {
        "mode": "payment",
        "success_url": SUCCESS_URL,
        "line_items": [{"price": "price_ebook", "quantity": 1}],
    }

    made = await asyncio.gather(
        *(lookalike.client.v1.checkout.sessions.create_async(order, options) for _ in range(10))
    )

    assert len({session.id for session in made}) == 1
    assert await lookalike.sessions_opened() == before + 1
