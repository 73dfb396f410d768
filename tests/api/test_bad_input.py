"""Bad input: a typed error that says what to do, never a 5xx, and nothing recorded."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.state import Services
from commands.store.postgres import PostgresStore
from projections.generations import LiveGenerations
from runtime import postgres
from tests.api.conftest import Memory
from tests.api.shop import OPERATOR, PAYMENT, PROJECT, Shop, error_of, register

LONG = "x" * 70_000
PRODUCT = PROJECT["products"][0]


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"user_id": "person@example.com"}, "user_id", "personal_data"),
        ({"user_id": "4242424242424242"}, "user_id", "personal_data"),
        ({"user_id": "+14155552671"}, "user_id", "personal_data"),
        ({"user_id": ""}, "user_id", "request_invalid"),
        ({"user_id": "a\u0000b"}, "user_id", "request_invalid"),
        ({"user_id": " a"}, "user_id", "request_invalid"),
        ({"user_id": "x" * 201}, "user_id", "request_invalid"),
        ({"user_id": 42}, "user_id", "request_invalid"),
        ({"user_id": None}, "user_id", "request_invalid"),
        ({"email": "not-an-address"}, "email", "request_invalid"),
        ({"email": "a@b\u0000.example.com"}, "email", "request_invalid"),
        ({"email": "x" * 400 + "@example.com"}, "email", "request_invalid"),
        ({"metadata": {"note": "write to person@example.com"}}, "metadata.note", "personal_data"),
        ({"metadata": {"person@example.com": "1"}}, "metadata", "personal_data"),
        ({"metadata": {"card": "4242 4242 4242 4242"}}, "metadata.card", "personal_data"),
        ({"metadata": {"a": 1}}, "metadata.a", "request_invalid"),
        ({"metadata": {"a": "x" * 501}}, "metadata.a", "request_invalid"),
        ({"metadata": {"x" * 41: "a"}}, "metadata", "request_invalid"),
        ({"metadata": {"a[b]": "a"}}, "metadata", "request_invalid"),
        ({"metadata": {str(n): "a" for n in range(51)}}, "metadata", "request_invalid"),
        ({"metadata": []}, "metadata", "request_invalid"),
        ({"quantity": 0}, "quantity", "request_invalid"),
        ({"quantity": -1}, "quantity", "request_invalid"),
        ({"quantity": 10_001}, "quantity", "request_invalid"),
        ({"quantity": 10**30}, "quantity", "request_invalid"),
        ({"quantity": 1.5}, "quantity", "request_invalid"),
        ({"quantity": "1"}, "quantity", "request_invalid"),
        ({"quantity": True}, "quantity", "request_invalid"),
        ({"payment_type": "barter"}, "payment_type", "request_invalid"),
        ({"success_url": "javascript:alert(1)"}, "success_url", "url_invalid"),
        ({"success_url": "data:text/html,x"}, "success_url", "url_invalid"),
        ({"success_url": "//shop.example.com"}, "success_url", "url_invalid"),
        ({"success_url": "https://"}, "success_url", "url_invalid"),
        ({"success_url": "https://shop.example.com:99999/"}, "success_url", "url_invalid"),
        ({"success_url": "https://[broken/"}, "success_url", "url_invalid"),
        ({"success_url": "http://shop.example.com/"}, "success_url", "url_invalid"),
        ({"success_url": "https://user:word@shop.example.com/"}, "success_url", "url_invalid"),
        ({"success_url": "https://shop.example.com/\nX: y"}, "success_url", "request_invalid"),
        ({"success_url": "https://shop.example.com/" + "x" * 2048}, "success_url", "request_invalid"),
        ({"cancel_url": "ftp://shop.example.com/"}, "cancel_url", "url_invalid"),
        ({"product_id": None}, None, "product_or_price"),
        ({"price_id": "price_ebook"}, None, "product_or_price"),
        ({"product_id": "a b"}, "product_id", "request_invalid"),
        ({"amount": 5}, "amount", "request_invalid"),
        ({"currency": "usd"}, "currency", "request_invalid"),
    ],
)
async def test_a_payment_with_a_bad_field_is_refused(
    shop: Shop, store: Memory, change: Any, param: str | None, code: str
) -> None:
    recorded = len(store.rows)

    answer = await shop.pay({**PAYMENT, **change}, Idempotency_Key="order-1")

    error = error_of(answer)
    assert answer.status_code == 422
    assert (error["type"], error["param"], error["code"]) == ("validation_error", param, code)
    assert error["message"].endswith(".")
    assert "write to" not in answer.text
    assert "4242" not in answer.text
    assert len(store.rows) == recorded
    assert (await shop.pay(Idempotency_Key="order-1")).status_code == 201, "the key is still free"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"product_id": "unheard-of"}, 404, "product_not_found"),
        ({"product_id": None, "price_id": "price_unheard_of"}, 422, "price_not_found"),
        ({"payment_type": "subscription"}, 422, "payment_type_does_not_fit"),
    ],
)
async def test_what_the_catalogue_does_not_sell_is_refused(
    shop: Shop, store: Memory, change: Any, status: int, code: str
) -> None:
    recorded = len(store.rows)

    answer = await shop.pay({**PAYMENT, **change})

    assert answer.status_code == status
    assert error_of(answer)["code"] == code
    assert len(store.rows) == recorded


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "body_malformed"),
        (b"{", 400, "body_malformed"),
        (b"\xff\xfe", 400, "body_malformed"),
        (b'{"user_id": "\xc3\x28"}', 400, "body_malformed"),
        (b'{"user_id": "a", "user_id": "b", "product_id": "ebook"}', 400, "body_malformed"),
        (b'{"user_id": NaN}', 400, "body_malformed"),
        (b'{"user_id": "\\ud800"}', 400, "body_malformed"),
        (b"[" * 20_000 + b"]" * 20_000, 400, "body_malformed"),
        (b"[]", 422, "request_invalid"),
        (b"null", 422, "request_invalid"),
        (b'"text"', 422, "request_invalid"),
        (json.dumps({**PAYMENT, "metadata": {"a": LONG}}).encode(), 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_no_request_is_refused(
    shop: Shop, store: Memory, body: bytes, status: int, code: str
) -> None:
    recorded = len(store.rows)

    answer = await shop.client.post(
        "/api/v1/payments", content=body, headers={**shop.auth, "Content-Type": "application/json"}
    )

    assert answer.status_code == status
    assert error_of(answer)["code"] == code
    assert len(store.rows) == recorded


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_a_body_that_does_not_say_it_is_json_is_refused(
    shop: Shop, store: Memory, content_type: str | None
) -> None:
    recorded = len(store.rows)
    headers = {**shop.auth, **({} if content_type is None else {"Content-Type": content_type})}

    answer = await shop.client.post("/api/v1/payments", content=json.dumps(PAYMENT), headers=headers)

    assert answer.status_code == 415
    assert len(store.rows) == recorded


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"default_currency": "xxx"}, "currency_unknown"),
        ({"default_currency": "USD"}, "currency_unknown"),
        ({"domain": "https://shop.example.com"}, "request_invalid"),
        ({"domain": "shop example com"}, "request_invalid"),
        ({"name": ""}, "request_invalid"),
        ({"name": "a\u2028b"}, "request_invalid"),
        ({"webhook_url": "javascript:alert(1)"}, "url_invalid"),
        ({"products": [PRODUCT, PRODUCT]}, "product_listed_twice"),
        ({"products": [{**PRODUCT, "price_id": "price_unheard_of"}]}, "price_not_found"),
        ({"products": [{**PRODUCT, "type": "subscription"}]}, "price_does_not_fit"),
        ({"products": [{**PRODUCT, "credits": -1}]}, "request_invalid"),
        ({"products": [{**PRODUCT, "credits": 10**12}]}, "request_invalid"),
        ({"products": [{**PRODUCT, "credits": 5}]}, "credit_type_missing"),
        ({"products": [{**PRODUCT, "type": "gift"}]}, "request_invalid"),
        ({"products": [{**PRODUCT, "surprise": 1}]}, "request_invalid"),
        ({"products": [{**PRODUCT, "permissions": ["person@example.com"]}]}, "request_invalid"),
        ({"products": {}}, "request_invalid"),
        ({"payment_types": ["barter"]}, "request_invalid"),
        ({"features": ["telepathy"]}, "request_invalid"),
    ],
)
async def test_a_project_that_cannot_be_is_refused(shop: Shop, store: Memory, change: Any, code: str) -> None:
    recorded = len(store.rows)

    answer = await shop.client.post("/api/v1/projects", json={**PROJECT, **change}, headers=OPERATOR)

    assert answer.status_code == 422
    assert error_of(answer)["code"] == code
    assert len(store.rows) == recorded


@pytest.mark.parametrize("payment_id", ["pay_1", "pay_" + "0" * 31 + "G", "%00", "..%2f..", "a" * 5000, "%ff"])
async def test_an_id_that_is_none_is_refused(shop: Shop, payment_id: str) -> None:
    answer = await shop.client.post(f"/api/v1/payments/{payment_id}/cancel", headers=shop.auth)

    assert answer.status_code in (404, 422)
    assert error_of(answer)["type"] in ("validation_error", "not_found")


@pytest.mark.parametrize("user_id", ["a%0Ab", "%0A", "a%00b", "person%40example.com"])
async def test_a_user_id_that_is_none_is_refused(shop: Shop, user_id: str) -> None:
    answer = await shop.client.get(f"/api/v1/credits/{user_id}", headers=shop.auth)

    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == "user_id"


async def test_another_project_s_payment_is_not_there(shop: Shop, store: Memory) -> None:
    started = (await shop.pay()).json()
    other = await register(shop.client)
    recorded = len(store.rows)

    answer = await shop.client.post(f"/api/v1/payments/{started['payment_id']}/cancel", headers=other.auth)

    assert answer.status_code == 404
    assert error_of(answer)["code"] == "payment_not_found"
    assert len(store.rows) == recorded


async def test_what_is_served_nowhere_is_a_typed_404_and_a_wrong_method_a_typed_405(shop: Shop) -> None:
    nowhere = await shop.client.get("/api/v2/payments")
    wrong = await shop.client.put("/api/v1/payments", json={}, headers=shop.auth)

    assert (nowhere.status_code, error_of(nowhere)["code"]) == (404, "route_not_found")
    assert (wrong.status_code, error_of(wrong)["code"]) == (405, "method_not_allowed")
    assert "POST" in wrong.headers["Allow"]


@pytest.mark.parametrize("signature", [None, "", "nonsense", "t=1,v1=00", f"t=99999999999,v1={'0' * 64}"])
async def test_a_webhook_that_stripe_did_not_sign_is_refused(shop: Shop, store: Memory, signature: str | None) -> None:
    recorded = len(store.rows)
    headers = {} if signature is None else {"Stripe-Signature": signature}

    answer = await shop.client.post("/webhooks/stripe", content=b'{"id": "evt_1"}', headers=headers)

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "signature_invalid"
    assert len(store.rows) == recorded


async def test_without_postgres_everything_is_a_503_that_says_when_to_come_back(
    services: Services, client_of: Callable[[Services], httpx.AsyncClient], shop: Shop
) -> None:
    nowhere = postgres.pool("postgresql://127.0.0.1:1/nowhere", name="none", size=1, timeout_seconds=0.1)
    await nowhere.open()
    store = PostgresStore(nowhere)
    away: Services = {**services, "store": store, "reads": nowhere, "live": LiveGenerations(nowhere)}
    async with client_of(away) as client:
        answers = [
            await client.post("/api/v1/payments", json=PAYMENT, headers=shop.auth),
            await client.get("/api/v1/payments", headers=shop.auth),
            await client.get("/api/v1/credits/user-42", headers=shop.auth),
            await client.get("/health/ready"),
        ]
        figures = await client.get("/metrics")
    await store.close()
    await nowhere.close()

    for answer in answers:
        assert answer.status_code == 503
        assert error_of(answer)["retry_after"] is not None
    assert "tillstream_unpublished_facts NaN" in figures.text
