"""Errors as the SDK sees them: the class it raises for each, and what is in it."""

import httpx
import pytest
import stripe

from tests.sandbox.stripe.lookalike import API_KEY, LookAlike


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer sk_test_other", "Basic !!!", "Digest x", "Basic c2tfdGVzdF9vdGhlcjo="]
)
async def test_a_wrong_key_is_401(lookalike: LookAlike, header: str) -> None:
    answer = await lookalike.http.get("/v1/prices", headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "sk_test_other" not in answer.text


async def test_the_sdk_raises_authentication_error_for_a_wrong_key(lookalike: LookAlike) -> None:
    with pytest.raises(stripe.AuthenticationError):
        await lookalike.client.v1.prices.list_async(options={"api_key": "sk_test_wrong_key"})


async def test_the_key_is_good_as_bearer_and_as_basic(lookalike: LookAlike) -> None:
    bearer = await lookalike.http.get("/v1/prices", headers={"Authorization": f"Bearer {API_KEY}"})
    basic = await lookalike.http.get("/v1/prices", auth=(API_KEY, ""))

    assert (bearer.status_code, basic.status_code) == (200, 200)


async def test_every_answer_has_a_request_id_and_echoes_version_and_key(lookalike: LookAlike) -> None:
    asked = {"Stripe-Version": "2025-05-28.basil", "Idempotency-Key": "echo-1"}
    answer = await lookalike.http.post("/v1/customers", auth=(API_KEY, ""), headers=asked)
    refused = await lookalike.http.get("/v1/prices")

    assert answer.headers["Request-Id"].startswith("req_")
    assert (answer.headers["Stripe-Version"], answer.headers["Idempotency-Key"]) == ("2025-05-28.basil", "echo-1")
    assert refused.headers["Request-Id"].startswith("req_")
    assert refused.headers["Stripe-Version"] == "2026-10-28.endive"


async def test_a_version_that_is_none_is_refused(lookalike: LookAlike) -> None:
    answer = await lookalike.http.get("/v1/prices", auth=(API_KEY, ""), headers={"Stripe-Version": "latest"})

    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Invalid Stripe API version: latest")


async def test_a_missing_parameter_is_an_invalid_request_that_names_it(lookalike: LookAlike) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await lookalike.client.v1.products.create_async({})  # type: ignore[typeddict-item]

    assert (refused.value.code, refused.value.param, refused.value.http_status) == ("parameter_missing", "name", 400)
    assert refused.value.user_message == "Missing required param: name."
    assert refused.value.request_id is not None


@pytest.mark.parametrize(
    ("kind", "raised", "code"),
    [
        ("rate_limit", stripe.RateLimitError, "rate_limit"),
        ("lock_timeout", stripe.RateLimitError, "lock_timeout"),
        ("conflict", stripe.APIError, "idempotency_key_in_use"),
        ("server_error", stripe.APIError, None),
    ],
)
async def test_the_sdk_knows_each_ordered_error(
    lookalike: LookAlike, kind: str, raised: type[stripe.StripeError], code: str | None
) -> None:
    await lookalike.control("faults", kind=kind, path="/v1/checkout/sessions")

    with pytest.raises(stripe.StripeError) as error:
        await lookalike.open()

    assert type(error.value) is raised
    assert error.value.error is not None
    assert error.value.error.code == code if code else error.value.error.type == "api_error"


async def test_only_a_lock_asks_for_a_retry(lookalike: LookAlike) -> None:
    async def ordered(kind: str) -> httpx.Headers:
        await lookalike.control("faults", kind=kind, path="/v1/prices")
        return (await lookalike.http.get("/v1/prices", auth=(API_KEY, ""))).headers

    assert (await ordered("lock_timeout"))["stripe-should-retry"] == "true"
    assert "stripe-should-retry" not in await ordered("rate_limit")
    assert "retry-after" not in await ordered("rate_limit")
