"""The checkout page through its forms, as a browser without JavaScript uses it."""

import re

import httpx
import pytest
import stripe

from sandbox.stripe.cards import TEST_CARDS
from tests.sandbox.stripe.lookalike import CANCEL_URL, LookAlike

GOOD = {
    "email": "reader@example.com",
    "method": "card",
    "card_number": "4242 4242 4242 4242",
    "expiry": "12 / 34",
    "cvc": "123",
}


async def submit(lookalike: LookAlike, session: stripe.checkout.Session, **changes: str) -> httpx.Response:
    return await lookalike.http.post(f"/c/pay/{session.id}", data=GOOD | changes)


async def page(lookalike: LookAlike, session: stripe.checkout.Session, query: str = "") -> httpx.Response:
    return await lookalike.http.get(f"/c/pay/{session.id}{query}")


async def test_the_sessions_url_is_the_page(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    assert session.url == f"{lookalike.address}/c/pay/{session.id}"
    assert (await page(lookalike, session)).status_code == 200


async def test_the_page_shows_the_order_its_amounts_and_the_way_back(lookalike: LookAlike) -> None:
    session = await lookalike.open(line_items=[{"price": "price_ebook", "quantity": 2}])

    shown = (await page(lookalike, session)).text

    for text in (
        "The E-Book",
        "$59.98",
        "2 \N{MULTIPLICATION SIGN} $29.99",
        "Pay $59.98",
        f'href="{CANCEL_URL}"',
        "Back to shop.example",
    ):
        assert text in shown


@pytest.mark.parametrize(
    ("price", "mode", "texts"),
    [
        ("price_yen", "payment", ["¥500", "Pay ¥500"]),
        ("price_free", "payment", ["$0.00", "Complete the order"]),
        ("price_pro_monthly", "subscription", ["Subscribe to Pro, monthly", "$20.00 per month"]),
        ("price_trial_monthly", "subscription", ["$0.00", "After 14 days $15.00 per month", "Start the trial"]),
    ],
)
async def test_amounts_are_written_as_people_write_them(
    lookalike: LookAlike, price: str, mode: str, texts: list[str]
) -> None:
    shown = (await page(lookalike, await lookalike.open(price, mode=mode))).text

    for text in texts:
        assert text in shown


async def test_a_card_leads_back_to_the_shop_with_the_sessions_id(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    answer = await submit(lookalike, session)

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"https://shop.example/thanks?session={session.id}"
    paid = await lookalike.session(session.id)
    assert paid.payment_status == "paid"
    assert paid.customer_details is not None
    assert paid.customer_details.email == "reader@example.com"


async def test_a_decline_is_shown_and_the_person_may_try_again(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    declined = await submit(lookalike, session, card_number="4000000000009995")

    assert declined.status_code == 402
    assert "Your card has insufficient funds." in declined.text
    assert 'role="alert"' in declined.text
    assert 'value="reader@example.com"' in declined.text
    assert (await submit(lookalike, session)).status_code == 303


@pytest.mark.parametrize(
    ("changes", "field", "text"),
    [
        ({"email": "nobody"}, "email", "e-mail address"),
        ({"card_number": ""}, "card_number", "card number"),
        ({"card_number": "4242424242424241"}, "card_number", "card number is incorrect"),
        ({"expiry": ""}, "expiry", "expiration"),
        ({"expiry": "12 / 20"}, "expiry", "expiration year"),
        ({"cvc": ""}, "cvc", "security code"),
        ({"method": "us_bank_account", "account_number": "1"}, "routing_number", "routing number"),
    ],
)
async def test_a_field_that_is_wrong_says_so_itself(
    lookalike: LookAlike, changes: dict[str, str], field: str, text: str
) -> None:
    answer = await submit(lookalike, await lookalike.open(), **changes)

    told = re.search(rf'id="{field}-error">([^<]*)<', answer.text)
    assert told is not None
    assert text in told[1]
    assert f'aria-describedby="{field}-error"' in answer.text


async def test_every_field_has_a_label(lookalike: LookAlike) -> None:
    shown = (await page(lookalike, await lookalike.open())).text

    inputs = set(re.findall(r'<input id="(\w+)"', shown))
    assert inputs == set(re.findall(r'<label for="(\w+)"', shown))
    assert {"email", "card_number", "expiry", "cvc", "name"} <= inputs


async def test_a_test_card_fills_the_form_without_a_script(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    shown = (await page(lookalike, session)).text
    for number in TEST_CARDS:
        assert f"?card={number}" in shown

    filled = (await page(lookalike, session, "?card=4000002760003184")).text

    assert 'value="4000002760003184"' in filled


async def test_3d_secure_is_a_page_of_its_own(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    answer = await submit(lookalike, session, card_number="4000002760003184")
    step = await lookalike.http.get(answer.headers["Location"])
    approved = await lookalike.http.post(answer.headers["Location"], data={"outcome": "approve"})

    assert answer.headers["Location"] == f"/c/pay/{session.id}/authenticate"
    assert "$29.99" in step.text
    assert "Approve the payment" in step.text
    assert approved.headers["Location"].startswith("https://shop.example/thanks")


async def test_a_failed_3d_secure_step_leads_back_to_the_form(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await submit(lookalike, session, card_number="4000002760003184")

    failed = await lookalike.http.post(f"/c/pay/{session.id}/authenticate", data={"outcome": "fail"})

    assert "unable to authenticate" in failed.text
    assert (await submit(lookalike, session)).status_code == 303


async def test_the_step_page_is_there_only_while_it_is_asked_for(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    answer = await lookalike.http.get(f"/c/pay/{session.id}/authenticate")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/c/pay/{session.id}")


async def test_a_bank_debit_says_that_it_is_on_its_way_and_later_what_became_of_it(lookalike: LookAlike) -> None:
    good, bad = await lookalike.open(), await lookalike.open()
    account = {"method": "us_bank_account", "routing_number": "110000000", "account_number": "000123456789"}
    for session in (good, bad):
        assert (await submit(lookalike, session, **account)).status_code == 303
        assert "Your payment is on its way" in (await page(lookalike, session)).text

    await lookalike.control(f"checkout/{good.id}/settle", outcome="succeed")
    await lookalike.control(f"checkout/{bad.id}/settle", outcome="fail")

    assert "This is already paid" in (await page(lookalike, good)).text
    assert "Your bank said no" in (await page(lookalike, bad)).text


async def test_an_order_that_costs_nothing_asks_for_no_card(lookalike: LookAlike) -> None:
    session = await lookalike.open("price_free")

    assert "card_number" not in (await page(lookalike, session)).text
    answer = await lookalike.http.post(f"/c/pay/{session.id}", data={"email": "reader@example.com"})

    assert answer.status_code == 303
    assert "This order is complete" in (await page(lookalike, session)).text


async def test_paying_twice_pays_once(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await submit(lookalike, session)

    again = await submit(lookalike, session)

    assert (again.status_code, again.headers["Location"]) == (303, f"/c/pay/{session.id}")
    shown = (await page(lookalike, session)).text
    assert "This is already paid" in shown
    assert f"https://shop.example/thanks?session={session.id}" in shown
    assert len(await lookalike.events(session.id)) == 1


async def test_an_expired_checkout_says_so_and_leads_back(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await lookalike.control(f"checkout/{session.id}/expire")

    shown = await page(lookalike, session)

    assert shown.status_code == 410
    assert "This checkout has expired" in shown.text
    assert CANCEL_URL in shown.text


async def test_an_address_that_is_cut_short_has_a_page_too(lookalike: LookAlike) -> None:
    answer = await lookalike.http.get("/c/pay/cs_test_none")

    assert (answer.status_code, "There is no such checkout" in answer.text) == (404, True)


async def test_what_a_shop_names_its_products_is_shown_as_text(lookalike: LookAlike) -> None:
    data = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "<script>alert(1)</script>"}}
    session = await lookalike.open(line_items=[{"price_data": data, "quantity": 1}])

    shown = (await page(lookalike, session)).text

    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


async def test_style_and_script_are_served_from_here_alone(lookalike: LookAlike) -> None:
    answer = await page(lookalike, await lookalike.open())

    assert "default-src 'none'; style-src 'self'; script-src 'self'" in answer.headers["Content-Security-Policy"]
    for asset in re.findall(r'(?:href|src)="(/c/assets/[^"]+)"', answer.text):
        assert (await lookalike.http.get(asset)).status_code == 200
