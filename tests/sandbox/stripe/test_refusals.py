"""What Stripe refuses, refused alike: status, code and the parameter it names."""

import time
from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import API_KEY, SUCCESS_URL, LookAlike

ITEM = {"line_items[0][price]": "price_ebook", "line_items[0][quantity]": "1"}
ORDER = {"mode": "payment", "success_url": SUCCESS_URL, **ITEM}
RECURRING = {**ORDER, "mode": "subscription", "line_items[0][price]": "price_pro_monthly"}
DATA = {
    "mode": "payment",
    "success_url": SUCCESS_URL,
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "1000",
    "line_items[0][price_data][product_data][name]": "A thing",
}


def without(order: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in order.items() if name not in names}


async def post(lookalike: LookAlike, path: str, form: dict[str, str], **headers: str) -> tuple[int, dict[str, Any]]:
    """A call without the SDK, which would not let some of these through."""
    answer = await lookalike.http.post(path, data=form, auth=(API_KEY, ""), headers=headers)
    return answer.status_code, answer.json().get("error", answer.json())


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        (without(ORDER, "mode"), "parameter_missing", "mode"),
        (without(ORDER, "success_url"), "parameter_missing", "success_url"),
        (without(ORDER, *ITEM), "parameter_missing", "line_items"),
        (without(ORDER, "line_items[0][quantity]"), "parameter_missing", "line_items[0][quantity]"),
        (without(ORDER, "line_items[0][price]"), "parameter_missing", "line_items[0][price]"),
        ({**ORDER, "colour": "red"}, "parameter_unknown", "colour"),
        ({**ORDER, "line_items[0][colour]": "red"}, "parameter_unknown", "line_items[0][colour]"),
        ({**ORDER, "payment_intent_data[colour]": "red"}, "parameter_unknown", "payment_intent_data[colour]"),
        ({**ORDER, "line_items[0][price]": "price_none"}, "resource_missing", "line_items[0][price]"),
        ({**ORDER, "line_items[0][price]": "prod_ebook"}, "resource_missing", "line_items[0][price]"),
        ({**ORDER, "customer": "cus_none"}, "resource_missing", "customer"),
        ({**ORDER, "line_items[0][quantity]": "0"}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({**ORDER, "line_items[0][quantity]": "one"}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({**ORDER, "cancel_url": ""}, "parameter_invalid_empty", "cancel_url"),
        ({**ORDER, "success_url": "javascript:alert(1)"}, "url_invalid", "success_url"),
        ({**ORDER, "success_url": "/thanks"}, "url_invalid", "success_url"),
        ({**ORDER, "customer_email": "nobody"}, "email_invalid", "customer_email"),
        ({**ORDER, "client_reference_id": "x" * 201}, None, "client_reference_id"),
        ({**ORDER, "mode": "lease"}, None, "mode"),
        ({**ORDER, "subscription_data[metadata][a]": "b"}, None, "subscription_data"),
        ({**RECURRING, "payment_intent_data[metadata][a]": "b"}, None, "payment_intent_data"),
        ({**RECURRING, "mode": "payment"}, None, "line_items"),
        ({**ORDER, "mode": "subscription"}, None, "line_items"),
        (
            {**ORDER, "payment_method_types[0]": "card"},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        ({**ORDER, "metadata": "x"}, None, "metadata"),
        ({**ORDER, **{f"metadata[k{n}]": "v" for n in range(51)}}, None, "metadata"),
        ({**ORDER, f"metadata[{'k' * 41}]": "v"}, None, f"metadata[{'k' * 41}]"),
        ({**ORDER, "metadata[key]": "v" * 501}, None, "metadata[key]"),
        ({**DATA, "line_items[0][price_data][currency]": "hrk"}, None, "line_items[0][price_data][currency]"),
        ({**DATA, "line_items[0][price_data][currency]": "zzz"}, None, "line_items[0][price_data][currency]"),
        (
            {**DATA, "line_items[0][price_data][unit_amount]": "-1"},
            "parameter_invalid_integer",
            "line_items[0][price_data][unit_amount]",
        ),
        ({**DATA, "line_items[0][price_data][unit_amount]": "49"}, "amount_too_small", "line_items"),
        ({**DATA, "line_items[0][quantity]": "999999"}, "amount_too_large", "line_items"),
        ({**DATA, "line_items[0][price]": "price_ebook"}, "parameters_exclusive", "line_items[0][price_data]"),
        (
            {**ORDER, "line_items[1][price]": "price_yen", "line_items[1][quantity]": "1"},
            None,
            "line_items[1]",
        ),
        (
            {**RECURRING, "line_items[0][price]": "price_calls_metered"},
            None,
            "line_items[0][quantity]",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_checkout_that_stripe_would_not_open_is_refused(
    lookalike: LookAlike, form: dict[str, str], code: str | None, param: str
) -> None:
    before = (await lookalike.http.get("/sandbox/counts")).json()

    status, error = await post(lookalike, "/v1/checkout/sessions", form)

    assert (status, error["type"], error.get("code"), error.get("param")) == (400, "invalid_request_error", code, param)
    assert (await lookalike.http.get("/sandbox/counts")).json() == before


@pytest.mark.parametrize("minutes", [28, 24 * 60 + 2])
async def test_a_session_lives_between_half_an_hour_and_a_day(lookalike: LookAlike, minutes: int) -> None:
    form = {**ORDER, "expires_at": str(int(time.time()) + minutes * 60)}

    status, error = await post(lookalike, "/v1/checkout/sessions", form)

    assert (status, error["param"]) == (400, "expires_at")


@pytest.mark.parametrize("minutes", [30, 24 * 60])
async def test_both_ends_of_a_sessions_life_are_accepted(lookalike: LookAlike, minutes: int) -> None:
    expires_at = int(time.time()) + minutes * 60

    assert (await lookalike.open(expires_at=expires_at)).expires_at == expires_at


async def test_customer_and_customer_email_exclude_each_other(lookalike: LookAlike) -> None:
    customer = await lookalike.client.v1.customers.create_async({"email": "reader@example.com"})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await lookalike.open(customer=customer.id, customer_email="reader@example.com")

    assert refused.value.code == "parameters_exclusive"


async def test_an_old_api_version_may_still_name_payment_method_types(lookalike: LookAlike) -> None:
    form = {**ORDER, "payment_method_types[0]": "card"}

    status, session = await post(lookalike, "/v1/checkout/sessions", form, **{"Stripe-Version": "2026-08-26.dahlia"})

    assert (status, session["payment_method_types"]) == (200, ["card"])


async def test_an_intent_may_not_name_payment_method_types_either(lookalike: LookAlike) -> None:
    form = {"amount": "500", "currency": "usd", "payment_method_types[0]": "card"}

    status, error = await post(lookalike, "/v1/payment_intents", form)

    assert (status, error["code"]) == (400, "payment_method_types_no_longer_supported")


@pytest.mark.parametrize(
    ("amount", "code"),
    [("0", "parameter_invalid_integer"), ("-5", "parameter_invalid_integer"), ("49", "amount_too_small")],
)
async def test_an_intent_needs_an_amount_worth_charging(lookalike: LookAlike, amount: str, code: str) -> None:
    status, error = await post(lookalike, "/v1/payment_intents", {"amount": amount, "currency": "usd"})

    assert (status, error["code"], error["param"]) == (400, code, "amount")


@pytest.mark.parametrize("excluded", [["card", "sepa_debit", "us_bank_account"]])
async def test_a_checkout_without_any_way_to_pay_is_refused(lookalike: LookAlike, excluded: list[str]) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No payment method types"):
        await lookalike.open(excluded_payment_method_types=excluded)


async def test_a_method_that_the_session_excludes_cannot_pay_it(lookalike: LookAlike) -> None:
    session = await lookalike.open(allowed_payment_method_types=["card"])

    answer = await lookalike.http.post(f"/sandbox/checkout/{session.id}/pay", json={"iban": "AT611904300234573201"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "payment_method_not_available")


async def test_an_unknown_id_is_404_also_when_it_has_another_objects_prefix(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    for id in ("cs_test_none", "pi_none", session.id):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await lookalike.client.v1.payment_intents.retrieve_async(id)
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


@pytest.mark.parametrize("path", ["colour", "payment_intent.colour", "line_items.data.colour", "status"])
async def test_an_unknown_expansion_is_refused(lookalike: LookAlike, path: str) -> None:
    session = await lookalike.open()
    await lookalike.pay(session, card_number="4242424242424242")

    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        await lookalike.session(session.id, path)


async def test_an_expansion_deeper_than_four_is_refused(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        await lookalike.session(session.id, "payment_intent.latest_charge.customer.default_source.owner")


async def test_a_list_has_at_most_a_hundred(lookalike: LookAlike) -> None:
    for limit in (0, 101):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await lookalike.client.v1.checkout.sessions.list_async({"limit": limit})
        assert refused.value.param == "limit"


async def test_an_unknown_address_or_method_is_told_in_stripes_shape(lookalike: LookAlike) -> None:
    for method, path in (("GET", "/v1/nothing"), ("DELETE", "/v1/checkout/sessions")):
        answer = await lookalike.http.request(method, path, auth=(API_KEY, ""))
        assert answer.status_code == 404
        assert answer.json()["error"]["message"].startswith(f"Unrecognized request URL ({method}: {path})")


async def test_a_body_that_is_no_form_is_refused(lookalike: LookAlike) -> None:
    for body in (b"mode", b"a[b=c", b"%ff\xff=1", b"a=1&a[b]=2"):
        answer = await lookalike.http.post("/v1/checkout/sessions", content=body, auth=(API_KEY, ""))
        assert answer.status_code == 400
