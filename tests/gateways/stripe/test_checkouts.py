"""Opening, closing, asking after and finding checkouts, over the real SDK."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from gateways.errors import CheckoutNotOpen, GatewayKeyMismatch, GatewayRefused, PriceUnknown
from gateways.notices import (
    AttemptDeclined,
    CheckoutExpired,
    CheckoutFailed,
    CheckoutPaid,
    CheckoutProcessing,
    Notice,
)
from gateways.stripe.client import StripeGateway
from gateways.stripe.requests import API_VERSION
from gateways.stripe.translation import checkout_sessions
from gateways.stripe.translation.fields import ShapeUnknown
from tests.gateways.stripe.orders import new_key, opened, order
from tests.sandbox.stripe.lookalike import LookAlike, eventually
from tests.sandbox.stripe.receiver import Receiver

CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"
EMPTY_CARD = "4000000000009995"
CARD_3DS = "4000002760003184"
GOOD_IBAN = "AT611904300234573201"
BAD_IBAN = "IT60X0542811101000000123456"


def meanings(gateway: StripeGateway, receiver: Receiver, payment_id: str) -> list[Notice]:
    """What the webhooks that arrived mean for one payment, in the order of their arrival."""
    deliveries = [gateway.read_webhook(arrival.body, arrival.signature) for arrival in list(receiver.arrivals)]
    notices = [delivery.notice for delivery in deliveries if delivery.payment_id == payment_id]
    return [notice for notice in notices if getattr(notice, "payment_id", None) == payment_id]


def told(carrier: stripe.StripeObject) -> dict[str, str]:
    """The metadata that Stripe was told with an object."""
    metadata: dict[str, str] = carrier.to_dict()["metadata"]
    return metadata


# Opening.


async def test_a_checkout_opens_and_carries_everything_that_leads_back_to_the_payment(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    placed = order(quantity=3)

    checkout = await opened(gateway, placed)

    session = await lookalike.session(checkout.checkout_id, "line_items")
    assert checkout.url == session.url
    assert checkout.expires_at == placed.expires_at.replace(microsecond=0)
    assert session.client_reference_id == placed.payment_id
    assert told(session) == {"payment_id": placed.payment_id, "project_id": "prj_shop"}
    assert (session.mode, session.amount_total, session.customer_email) == ("payment", 3 * 2999, "ada@example.com")
    assert session.success_url == "https://shop.example/thanks?session={CHECKOUT_SESSION_ID}"
    assert session.cancel_url == "https://shop.example/cart"
    outcome = await lookalike.pay(session, card_number=CARD)
    intent = await lookalike.client.v1.payment_intents.retrieve_async(outcome["payment_intent"])
    assert told(intent) == {"payment_id": placed.payment_id, "project_id": "prj_shop"}


async def test_a_recurring_price_opens_a_checkout_whose_subscription_carries_them(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    placed = order(price_id="price_pro_monthly", recurring=True, email=None, cancel_url=None)

    checkout = await opened(gateway, placed)

    await lookalike.pay(await lookalike.session(checkout.checkout_id), card_number=CARD, email="ada@example.com")
    session = (await lookalike.session(checkout.checkout_id)).to_dict()
    assert (session["mode"], session["cancel_url"], session["customer_email"]) == ("subscription", None, None)
    subscription = await lookalike.client.v1.subscriptions.retrieve_async(session["subscription"])
    assert told(subscription) == {"payment_id": placed.payment_id, "project_id": "prj_shop"}
    (paid,) = await gateway.ask(checkout.checkout_id)
    assert isinstance(paid, CheckoutPaid)
    assert (paid.amount_minor, paid.gateway_subscription_id) == (2000, session["subscription"])


async def test_a_metered_price_is_ordered_without_a_quantity(gateway: StripeGateway) -> None:
    placed = order(price_id="price_calls_metered", recurring=True, metered=True)

    assert (await opened(gateway, placed)).url


async def test_the_same_order_always_gives_the_same_bytes_with_the_api_version_in_them(gateway: StripeGateway) -> None:
    placed = order(success_url="https://shop.example/merci?é")

    assert gateway.checkout_request(placed) == gateway.checkout_request(placed)
    assert json.loads(gateway.checkout_request(placed))["api_version"] == API_VERSION == "2026-10-28.endive"


async def test_a_request_goes_out_under_the_api_version_it_was_written_for(gateway: StripeGateway) -> None:
    """Endive refuses `payment_method_types`, dahlia took it: a request of before an upgrade must still go through."""
    request = json.loads(gateway.checkout_request(order()))
    request["params"]["payment_method_types"] = ["card"]

    with pytest.raises(GatewayRefused):
        await gateway.open_checkout(json.dumps(request).encode(), new_key())
    request["api_version"] = "2026-08-26.dahlia"
    assert (await gateway.open_checkout(json.dumps(request).encode(), new_key())).url


async def test_the_same_key_and_request_open_one_page_however_often_and_however_many_at_once(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    request, key = gateway.checkout_request(order()), new_key()
    before = await lookalike.sessions_opened()

    pages = await asyncio.gather(*(gateway.open_checkout(request, key) for _ in range(20)))
    pages.append(await gateway.open_checkout(request, key))

    assert len(set(pages)) == 1
    assert await lookalike.sessions_opened() == before + 1


async def test_a_key_that_stands_with_another_request_is_a_mismatch(gateway: StripeGateway) -> None:
    key = new_key()
    await gateway.open_checkout(gateway.checkout_request(order()), key)

    with pytest.raises(GatewayKeyMismatch) as caught:
        await gateway.open_checkout(gateway.checkout_request(order()), key)
    assert key not in caught.value.details.values()


async def test_a_price_that_stripe_does_not_know_is_named(gateway: StripeGateway) -> None:
    with pytest.raises(PriceUnknown, match="price_of_nothing"):
        await opened(gateway, order(price_id="price_of_nothing"))


async def test_a_price_of_the_other_mode_is_refused_and_says_which_parameter(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayRefused) as caught:
        await opened(gateway, order(price_id="price_pro_monthly", recurring=False))
    assert str(caught.value.details["gateway_param"]).startswith("line_items")
    assert str(caught.value.details["gateway_request"]).startswith("req_")


async def test_a_refusal_does_not_repeat_what_was_personal_in_the_request(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayRefused) as caught:
        await opened(gateway, order(email="ada lovelace@example"))
    assert "lovelace" not in caught.value.message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# Closing.


async def test_an_open_checkout_can_be_closed_and_closing_again_under_the_same_key_is_harmless(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    checkout, key = await opened(gateway, order()), new_key()

    await gateway.expire_checkout(checkout.checkout_id, key)
    await gateway.expire_checkout(checkout.checkout_id, key)

    assert (await lookalike.session(checkout.checkout_id)).status == "expired"


async def test_a_checkout_that_was_paid_is_not_open(gateway: StripeGateway, lookalike: LookAlike) -> None:
    checkout = await opened(gateway, order())
    await lookalike.pay(await lookalike.session(checkout.checkout_id), card_number=CARD)

    with pytest.raises(CheckoutNotOpen, match="complete") as caught:
        await gateway.expire_checkout(checkout.checkout_id, new_key())
    assert caught.value.details == {"status": "complete"}


async def test_a_checkout_that_was_closed_before_is_not_open_under_another_key(gateway: StripeGateway) -> None:
    checkout = await opened(gateway, order())
    await gateway.expire_checkout(checkout.checkout_id, new_key())

    with pytest.raises(CheckoutNotOpen, match="expired"):
        await gateway.expire_checkout(checkout.checkout_id, new_key())


async def test_closing_a_checkout_that_never_was_is_refused_but_not_as_not_open(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayRefused) as caught:
        await gateway.expire_checkout("cs_test_never_was", new_key())
    assert not isinstance(caught.value, CheckoutNotOpen)
    assert caught.value.details["gateway_code"] == "resource_missing"


async def test_closing_under_a_key_that_stands_with_another_request_is_a_mismatch(gateway: StripeGateway) -> None:
    first, second, key = await opened(gateway, order()), await opened(gateway, order()), new_key()
    await gateway.expire_checkout(first.checkout_id, key)

    with pytest.raises(GatewayKeyMismatch):
        await gateway.expire_checkout(second.checkout_id, key)


# Asking, and hearing the same from webhooks.


async def test_nothing_is_known_of_a_page_that_nobody_used(gateway: StripeGateway) -> None:
    checkout = await opened(gateway, order())

    assert await gateway.ask(checkout.checkout_id) == []


async def test_a_paid_checkout_is_told_alike_by_asking_and_by_webhook(
    gateway: StripeGateway, lookalike: LookAlike, receiver: Receiver
) -> None:
    placed = order(quantity=2)
    checkout = await opened(gateway, placed)
    outcome = await lookalike.pay(await lookalike.session(checkout.checkout_id), card_number=CARD)

    (paid,) = await gateway.ask(checkout.checkout_id)

    assert paid == CheckoutPaid(
        checkout_id=checkout.checkout_id,
        payment_id=placed.payment_id,
        amount_minor=2 * 2999,
        currency="usd",
        gateway_payment_id=outcome["payment_intent"],
        gateway_subscription_id=None,
    )
    await eventually(lambda: meanings(gateway, receiver, placed.payment_id) == [paid])


async def test_a_checkout_without_anything_due_is_paid(gateway: StripeGateway, lookalike: LookAlike) -> None:
    checkout = await opened(gateway, order(price_id="price_free"))
    await lookalike.pay(await lookalike.session(checkout.checkout_id))

    (paid,) = await gateway.ask(checkout.checkout_id)

    assert isinstance(paid, CheckoutPaid)
    assert (paid.amount_minor, paid.gateway_payment_id) == (0, None)


async def test_each_declined_attempt_is_told_once_alike_by_asking_and_by_webhook(
    gateway: StripeGateway, lookalike: LookAlike, receiver: Receiver
) -> None:
    placed = order()
    checkout = await opened(gateway, placed)
    session = await lookalike.session(checkout.checkout_id)
    asked: list[Notice] = []
    for card in (DECLINED_CARD, EMPTY_CARD):
        await lookalike.refused_payment(session, card_number=card)
        asked += await gateway.ask(checkout.checkout_id)

    first, second = asked
    assert isinstance(first, AttemptDeclined)
    assert isinstance(second, AttemptDeclined)
    assert (first.code, first.decline_code) == ("card_declined", "generic_decline")
    assert (second.code, second.decline_code) == ("card_declined", "insufficient_funds")
    assert first.attempt_id != second.attempt_id
    await eventually(lambda: set(meanings(gateway, receiver, placed.payment_id)) == {first, second})


async def test_a_failed_authentication_is_a_declined_attempt_of_its_own(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    placed = order()
    checkout = await opened(gateway, placed)
    session = await lookalike.session(checkout.checkout_id)
    await lookalike.refused_payment(session, card_number=DECLINED_CARD)
    (declined,) = await gateway.ask(checkout.checkout_id)
    await lookalike.pay(session, card_number=CARD_3DS)
    await lookalike.http.post(f"/sandbox/checkout/{session.id}/authenticate", json={"outcome": "fail"})

    (unauthenticated,) = await gateway.ask(checkout.checkout_id)

    assert isinstance(declined, AttemptDeclined)
    assert isinstance(unauthenticated, AttemptDeclined)
    assert unauthenticated.code == "payment_intent_authentication_failure"
    assert unauthenticated.attempt_id != declined.attempt_id


@pytest.mark.parametrize(("iban", "outcome"), [(GOOD_IBAN, "succeed"), (BAD_IBAN, "fail")])
async def test_a_bank_debit_is_processing_until_its_outcome_alike_by_asking_and_by_webhook(
    gateway: StripeGateway, lookalike: LookAlike, receiver: Receiver, iban: str, outcome: str
) -> None:
    placed = order()
    checkout = await opened(gateway, placed)
    session = await lookalike.session(checkout.checkout_id)
    intent = (await lookalike.pay(session, iban=iban))["payment_intent"]

    (processing,) = await gateway.ask(checkout.checkout_id)
    await lookalike.control(f"checkout/{session.id}/settle", outcome=outcome)
    (ended,) = await gateway.ask(checkout.checkout_id)

    assert processing == CheckoutProcessing(
        checkout_id=checkout.checkout_id, payment_id=placed.payment_id, gateway_payment_id=intent
    )
    assert isinstance(ended, CheckoutPaid if outcome == "succeed" else CheckoutFailed)
    await eventually(lambda: {processing, ended} <= set(meanings(gateway, receiver, placed.payment_id)))


async def test_an_expired_checkout_is_told_alike_by_asking_and_by_webhook(
    gateway: StripeGateway, lookalike: LookAlike, receiver: Receiver
) -> None:
    placed = order()
    checkout = await opened(gateway, placed)
    await lookalike.control(f"checkout/{checkout.checkout_id}/expire")

    (expired,) = await gateway.ask(checkout.checkout_id)

    assert expired == CheckoutExpired(checkout_id=checkout.checkout_id, payment_id=placed.payment_id)
    await eventually(lambda: meanings(gateway, receiver, placed.payment_id) == [expired])


@pytest.mark.parametrize("status", ["half_open", None])
def test_a_state_that_nobody_knows_is_not_guessed_at(status: str | None) -> None:
    with pytest.raises(ShapeUnknown, match="status"):
        checkout_sessions.as_it_stands({"object": "checkout.session", "id": "cs_test_1", "status": status})


# Finding what nobody told us of.


async def test_a_checkout_is_found_among_many_by_its_payment_and_only_near_its_time(
    gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.stripe.client.PAGE", 3)
    placed = order()
    checkout = await opened(gateway, placed)
    await asyncio.gather(*(opened(gateway, order()) for _ in range(7)))
    now = datetime.now(UTC)

    assert await gateway.find_checkouts(placed.payment_id, now) == [checkout]
    assert await gateway.find_checkouts(placed.payment_id, now - timedelta(hours=23)) == [checkout]
    assert await gateway.find_checkouts(placed.payment_id, now - timedelta(hours=26)) == []
    assert await gateway.find_checkouts(placed.payment_id, now + timedelta(hours=2)) == []
    assert await gateway.find_checkouts("pay_nobody", now) == []


async def test_a_checkout_that_is_found_closed_has_no_url(gateway: StripeGateway) -> None:
    placed = order()
    checkout = await opened(gateway, placed)
    await gateway.expire_checkout(checkout.checkout_id, new_key())

    (found,) = await gateway.find_checkouts(placed.payment_id, datetime.now(UTC))

    assert (found.checkout_id, found.url) == (checkout.checkout_id, "")
