"""Starting and canceling payments, with the real SDK speaking to the look-alike, and the network failing in between."""

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from commands.open_requests import RequestKind, to_send
from commands.payments import payment_id_of
from commands.ports import CommandInProgress, Decided, IdempotencyKeyReused, States
from commands.store.memory import MemoryStore
from domain.errors import DomainError
from domain.payment import PAYMENTS, PaymentCheckoutOpened, PaymentInitiated, Status, checkout
from domain.payment.errors import (
    CheckoutNotKnownYet,
    CustomerErased,
    PaymentAlreadySucceeded,
    PaymentEnded,
    PaymentNotCancelable,
    PaymentUnknown,
    SuccessUrlMissing,
)
from domain.project.errors import PaymentTypeDoesNotFit, ProductUnknown
from gateways.errors import PriceUnknown
from gateways.stripe.client import StripeGateway
from tests.commands.payments import SHOP, Desk, context, order
from tests.sandbox.stripe.lookalike import LookAlike

SESSIONS = "/v1/checkout/sessions"


@pytest.fixture
def desk(gateway: StripeGateway) -> Desk:
    return Desk(gateway)


async def test_a_payment_is_recorded_before_and_after_the_gateway_is_asked(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()

    receipt = await desk.start(asked)

    initiated, opened = desk.events
    assert isinstance(initiated, PaymentInitiated)
    assert (initiated.amount_minor, initiated.credits, initiated.metadata) == (10_00, 1000, {"cart": "7"})
    assert isinstance(opened, PaymentCheckoutOpened)
    session = await lookalike.session(opened.checkout_id)
    assert session.client_reference_id == payment_id_of(asked.command_id)
    assert receipt.answer == {
        "payment_id": payment_id_of(asked.command_id),
        "checkout_session_id": session.id,
        "checkout_url": session.url,
        "payment_type": "one_time",
        "status": "checkout_opened",
    }


async def test_a_recurring_product_opens_a_checkout_in_subscription_mode(desk: Desk, lookalike: LookAlike) -> None:
    receipt = await desk.start(context(), order(product_id="pro"))

    session = await lookalike.session(receipt.answer["checkout_session_id"])
    assert (session.mode, receipt.answer["payment_type"]) == ("subscription", "subscription")


async def test_a_retry_gets_the_first_answer_and_asks_nobody(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    first = await desk.start(asked)
    before = await lookalike.sessions_opened()

    second = await desk.start(asked)

    assert (second.answer, second.replayed) == (first.answer, True)
    assert await lookalike.sessions_opened() == before
    assert len(desk.events) == 2


async def test_one_key_for_two_bodies_is_refused(desk: Desk) -> None:
    asked = context()
    await desk.start(asked)

    with pytest.raises(IdempotencyKeyReused):
        await desk.start(replace(asked, fingerprint=b"another body"))


async def test_no_fact_holds_what_names_the_customer(desk: Desk) -> None:
    asked = context()
    await desk.start(asked)

    assert isinstance(desk.store, MemoryStore)
    assert not any(b"ada@example.com" in row.payload for row in desk.store.rows)
    kept = await desk.open_requests.get(RequestKind.CHECKOUT, payment_id_of(asked.command_id))
    assert kept is not None
    assert kept.request is not None
    assert b"ada@example.com" not in kept.request.sealed
    assert b"ada@example.com" in (await to_send(kept, desk.vault))[0]


async def test_an_answer_that_never_came_is_unconfirmed_and_a_retry_opens_one_page(
    desk: Desk, lookalike: LookAlike
) -> None:
    asked = context()
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind="reset_after", path=SESSIONS, times=9)

    lost = await desk.start(asked)
    assert (lost.answer["status"], lost.answer["checkout_url"]) == ("unconfirmed", None)
    still_lost = await desk.start(asked)
    assert not still_lost.replayed, "an unknown answer is not kept"

    await lookalike.http.delete("/sandbox/faults")
    found = await desk.start(asked)
    assert found.answer["status"] == "checkout_opened"
    assert await lookalike.sessions_opened() == before + 1
    assert desk.told == ["PaymentInitiated", "PaymentUnconfirmed", "PaymentCheckoutOpened"]


async def test_a_crash_between_our_commit_and_the_gateways_answer_is_mended_by_a_retry(
    desk: Desk, lookalike: LookAlike
) -> None:
    asked = context()
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind="hang_after", path=SESSIONS, seconds=1)
    dying = asyncio.create_task(desk.start(asked))
    while await lookalike.sessions_opened() == before:  # noqa: ASYNC110 - nothing tells us when
        await asyncio.sleep(0.01)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await lookalike.http.delete("/sandbox/faults")

    receipt = await desk.start(asked)

    assert receipt.answer["status"] == "checkout_opened"
    assert await lookalike.sessions_opened() == before + 1
    assert desk.told == ["PaymentInitiated", "PaymentCheckoutOpened"]


async def test_while_another_process_asks_the_gateway_a_retry_is_told_to_wait(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    await lookalike.control("faults", kind="reset_before", path=SESSIONS, times=9)
    await desk.start(asked)
    assert await desk.store.take_lease(asked.command_id, 30)

    with pytest.raises(CommandInProgress):
        await desk.start(asked)


async def test_fifty_at_once_open_one_page(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    before = await lookalike.sessions_opened()

    answers = await asyncio.gather(*(desk.start(asked) for _ in range(50)), return_exceptions=True)

    assert await lookalike.sessions_opened() == before + 1
    assert len(desk.events) == 2
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert all(isinstance(answer, CommandInProgress) for answer in refused)
    assert len(refused) < 50


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"product_id": "boat"}, ProductUnknown),
        ({"product_id": "pro", "payment_type": "one_time"}, PaymentTypeDoesNotFit),
        ({"success_url": None}, SuccessUrlMissing),
    ],
)
async def test_what_is_refused_is_refused_again_and_leaves_no_fact(
    desk: Desk, changes: dict[str, object], refusal: type[DomainError]
) -> None:
    asked = context()
    with pytest.raises(refusal):
        await desk.start(asked, order(**changes))

    with pytest.raises(DomainError) as again:
        await desk.start(asked, order(**changes))
    assert again.value.code == refusal.code
    assert desk.events == []


async def test_a_project_s_own_success_url_serves_where_none_is_sent(desk: Desk, lookalike: LookAlike) -> None:
    addresses = {"success_url": "https://shop.example/welcome", "cancel_url": ""}
    await desk.vault.put(await desk.vault.seal("prj_shop", "addresses", "prj_shop", addresses))

    receipt = await desk.start(context(), order(success_url=None, cancel_url=None))

    session = await lookalike.session(receipt.answer["checkout_session_id"])
    assert (session.success_url, session.cancel_url) == ("https://shop.example/welcome", None)


async def test_a_price_outside_the_catalogue_is_sold_as_the_gateway_states_it(desk: Desk) -> None:
    await desk.start(context(), order(product_id=None, price_id="price_yen", quantity=2))

    (initiated, _) = desk.events
    assert isinstance(initiated, PaymentInitiated)
    assert (initiated.product_id, initiated.amount_minor, initiated.currency) == ("price_yen", 1000, "jpy")


async def test_a_price_of_the_catalogue_is_its_product(desk: Desk) -> None:
    await desk.start(context(), order(product_id=None, price_id="price_credits_1000"))

    (initiated, _) = desk.events
    assert isinstance(initiated, PaymentInitiated)
    assert (initiated.product_id, initiated.credits) == ("pack", 1000)


async def test_an_unknown_price_is_no_fact_and_may_be_asked_for_again(desk: Desk, lookalike: LookAlike) -> None:
    asked, price_id = context(), f"price_{uuid.uuid4().hex}"
    with pytest.raises(PriceUnknown):
        await desk.start(asked, order(product_id=None, price_id=price_id))
    assert desk.events == []

    price = await lookalike.client.v1.prices.create_async(
        {"currency": "usd", "unit_amount": 700, "product_data": {"name": "New"}}
    )
    receipt = await desk.start(context(), order(product_id=None, price_id=price.id))
    assert receipt.answer["status"] == "checkout_opened"


async def test_what_the_gateway_refuses_fails_the_payment_and_is_told_the_same_again(desk: Desk) -> None:
    asked, gone = context(), replace(SHOP.products["ebook"].price, price_id="price_that_is_gone")
    shop = replace(SHOP, products={"ebook": replace(SHOP.products["ebook"], price=gone)})
    wish = order(project=shop, product_id="ebook")
    with pytest.raises(DomainError) as first:
        await desk.start(asked, wish)

    with pytest.raises(DomainError) as again:
        await desk.start(asked, wish)

    assert (again.value.code, again.value.message) == (first.value.code, first.value.message)
    assert (await desk.payment(asked)).status is Status.FAILED
    assert desk.told == ["PaymentInitiated", "PaymentFailed"]


async def test_an_ended_payment_is_not_opened_again(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    await lookalike.control("faults", kind="reset_before", path=SESSIONS, times=9)
    await desk.start(asked)
    await lookalike.http.delete("/sandbox/faults")
    kept = await desk.open_requests.get(RequestKind.CHECKOUT, payment_id_of(asked.command_id))
    assert kept is not None
    await expire(desk, kept.stream_id)

    with pytest.raises(PaymentEnded):
        await desk.start(asked)


async def expire(desk: Desk, payment_id: str) -> None:
    stream = PAYMENTS.at(payment_id)

    def decide(states: States) -> Decided:
        payment = states[stream]
        assert payment is not None
        return Decided([stream.facts(*checkout.expire(payment, "nobody came"))], {})

    await desk.store.record(context(), [stream], decide)


async def test_a_key_older_than_stripe_remembers_is_not_sent_again(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    before = await lookalike.sessions_opened()
    await lookalike.control("faults", kind="reset_before", path=SESSIONS, times=9)
    await desk.start(asked)
    await lookalike.http.delete("/sandbox/faults")

    late = await desk.start(replace(asked, now=asked.now + timedelta(hours=24)))

    assert late.answer["status"] == "unconfirmed"
    assert await lookalike.sessions_opened() == before


async def test_an_erased_customer_cannot_pay(desk: Desk) -> None:
    asked = context()
    await desk.start(asked)
    await desk.vault.shred((await desk.payment(asked)).customer_id)

    with pytest.raises(CustomerErased):
        await desk.start(context())


# Cancelling.


async def test_a_cancel_closes_the_page_and_then_records_it(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    opened = await desk.start(asked)

    receipt = await desk.cancel(opened.answer["payment_id"])

    assert receipt.answer == {"payment_id": opened.answer["payment_id"], "status": "canceled"}
    assert (await lookalike.session(opened.answer["checkout_session_id"])).status == "expired"
    assert (await desk.payment(asked)).status is Status.CANCELED


async def test_a_cancel_asked_twice_answers_alike(desk: Desk) -> None:
    opened, asked = await desk.start(context()), context()
    first = await desk.cancel(opened.answer["payment_id"], asked)

    again = await desk.cancel(opened.answer["payment_id"], asked)
    once_more = await desk.cancel(opened.answer["payment_id"])

    assert (again.answer, again.replayed) == (first.answer, True)
    assert once_more.answer == first.answer
    assert desk.told.count("PaymentCanceled") == 1


async def test_a_cancel_of_what_is_just_being_paid_finds_the_money(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    opened = await desk.start(asked)
    await lookalike.control(f"checkout/{opened.answer['checkout_session_id']}/pay", card_number="4242424242424242")

    with pytest.raises(PaymentAlreadySucceeded):
        await desk.cancel(opened.answer["payment_id"])

    assert (await desk.payment(asked)).status is Status.SUCCEEDED
    assert desk.told[-2:] == ["PaymentSucceeded", "CreditsPurchased"]


async def test_a_cancel_of_what_is_processing_is_refused(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    opened = await desk.start(asked, order(product_id="ebook"))
    await lookalike.control(f"checkout/{opened.answer['checkout_session_id']}/pay", iban="AT611904300234573201")

    with pytest.raises(PaymentNotCancelable):
        await desk.cancel(opened.answer["payment_id"])
    assert (await desk.payment(asked)).status is Status.PROCESSING


async def test_a_page_that_expired_just_before_a_cancel_ends_as_canceled(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    opened = await desk.start(asked)
    await lookalike.control(f"checkout/{opened.answer['checkout_session_id']}/expire")

    await desk.cancel(opened.answer["payment_id"])

    assert (await desk.payment(asked)).status is Status.CANCELED


async def test_what_is_not_known_to_be_open_cannot_be_canceled_yet(desk: Desk, lookalike: LookAlike) -> None:
    asked = context()
    await lookalike.control("faults", kind="reset_before", path=SESSIONS, times=9)
    lost = await desk.start(asked)

    with pytest.raises(CheckoutNotKnownYet):
        await desk.cancel(lost.answer["payment_id"])


async def test_another_project_s_payment_is_not_there(desk: Desk) -> None:
    opened = await desk.start(context())

    with pytest.raises(PaymentUnknown):
        await desk.cancel(opened.answer["payment_id"], project_id="prj_other")
