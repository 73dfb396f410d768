"""Refunds and disputes over HTTP: made, unconfirmed, refused, and listed."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import httpx
import pytest

from api.state import Services
from commands.interpretation import interpret
from domain.payment import PaymentRefunded, PaymentRefundRequested
from gateways.stripe.client import StripeGateway
from tests.api.conftest import Memory
from tests.api.reading import catch_up
from tests.api.shop import Shop, error_of, register
from tests.commands.payments import context
from tests.commands.refunding import deliveries
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike

CREDITS: dict[str, Any] = {"user_id": "user-42", "product_id": "credits-1000"}


async def bought(shop: Shop, lookalike: LookAlike, services: Services, card: str = "4242424242424242") -> str:
    """The id of a payment that its customer has paid, and whose webhooks came."""
    started = (await shop.pay(CREDITS)).json()
    checkout_id = started["checkout_session_id"]
    await lookalike.control(f"checkout/{checkout_id}/pay", card_number=card)
    await deliver(services, checkout_id)
    return str(started["payment_id"])


async def deliver(services: Services, about: str) -> None:
    """What Stripe has sent that names this is applied, as the reconciler would."""
    gateway = services["gateway"]
    for delivery in await deliveries(gateway, about):
        await interpret(delivery.notice, context(), services["store"], gateway, services["open_requests"])


async def refund(shop: Shop, payment_id: str, body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await shop.client.post(
        f"/api/v1/payments/{payment_id}/refund", json=body or {}, headers={**shop.auth, **named}
    )


async def test_money_goes_back_and_the_answer_says_what_it_took(
    shop: Shop, lookalike: LookAlike, services: Services
) -> None:
    payment_id = await bought(shop, lookalike, services)

    answer = await refund(shop, payment_id, {"amount": 250, "reason": "requested_by_customer", "metadata": {"t": "7"}})

    made = answer.json()
    assert answer.status_code == 201, answer.text
    assert (made["status"], made["amount"], made["currency"]) == ("succeeded", 250, "usd")
    assert (made["credits_revoked"], made["credits_shortfall"], made["clawback"]) == (250, 0, "remaining_only")
    assert (made["amount_refunded"], made["amount_refundable"]) == (250, 750)


async def test_without_a_body_all_that_is_left_goes_back(
    shop: Shop, lookalike: LookAlike, services: Services, store: Memory
) -> None:
    payment_id = await bought(shop, lookalike, services)
    await refund(shop, payment_id, {"amount": 1})

    answer = await shop.client.post(f"/api/v1/payments/{payment_id}/refund", headers=shop.auth)

    assert (answer.json()["amount"], answer.json()["amount_refundable"]) == (999, 0)
    assert sum(isinstance(event, PaymentRefunded) for event in store.events) == 2


async def test_a_retry_gets_the_same_answer(shop: Shop, lookalike: LookAlike, services: Services) -> None:
    payment_id = await bought(shop, lookalike, services)

    first = await refund(shop, payment_id, {"amount": 250}, Idempotency_Key="r-1")
    again = await refund(shop, payment_id, {"amount": 250}, Idempotency_Key="r-1")
    other = await refund(shop, payment_id, {"amount": 251}, Idempotency_Key="r-1")

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert error_of(other)["code"] == "idempotency_key_reused"


@pytest.fixture
async def cut_off(
    services: Services, client_of: Callable[[Services], httpx.AsyncClient]
) -> AsyncIterator[httpx.AsyncClient]:
    """The same service, while its gateway does not answer."""
    gateway = StripeGateway(API_KEY, [WEBHOOK_SECRET], "http://127.0.0.1:1")
    async with client_of({**services, "gateway": gateway}) as client:
        yield client
    await gateway.close()


async def test_while_the_gateway_is_away_a_refund_is_accepted_and_a_retry_goes_on_with_it(
    shop: Shop, cut_off: httpx.AsyncClient, lookalike: LookAlike, services: Services, store: Memory
) -> None:
    payment_id = await bought(shop, lookalike, services)

    early = await refund(Shop(cut_off, shop.answer), payment_id, Idempotency_Key="r-1")
    later = await refund(shop, payment_id, Idempotency_Key="r-1")

    assert (early.status_code, early.json()["status"], early.json()["amount_refundable"]) == (202, "requested", 0)
    assert (later.status_code, later.json()["status"]) == (201, "succeeded")
    assert sum(isinstance(event, PaymentRefundRequested) for event in store.events) == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"amount": 1001}, 409, "refund_exceeds_payment", "amount"),
        ({"amount": 0}, 422, "request_invalid", "amount"),
        ({"amount": -5}, 422, "request_invalid", "amount"),
        ({"amount": 2.5}, 422, "request_invalid", "amount"),
        ({"reason": ""}, 422, "request_invalid", "reason"),
        ({"reason": "for ada@example.com"}, 422, "personal_data", "reason"),
        ({"colour": "red"}, 422, "request_invalid", "colour"),
    ],
)
async def test_what_cannot_be_refunded_is_refused_with_a_sentence(
    shop: Shop, lookalike: LookAlike, services: Services, body: Any, status: int, code: str, param: str
) -> None:
    payment_id = await bought(shop, lookalike, services)

    answer = await refund(shop, payment_id, body)

    assert (answer.status_code, error_of(answer)["param"]) == (status, param)
    assert code in (error_of(answer)["code"], "request_invalid")


async def test_what_was_not_paid_answers_conflict(shop: Shop) -> None:
    payment_id = (await shop.pay()).json()["payment_id"]

    answer = await refund(shop, payment_id)

    assert (answer.status_code, error_of(answer)["code"]) == (409, "payment_not_paid")


async def test_what_the_dashboard_was_faster_with_answers_conflict(
    real_shop: Shop, lookalike: LookAlike, real_services: Services
) -> None:
    payment_id = await bought(real_shop, lookalike, real_services)
    (event, *_) = [event for event in await lookalike.events(payment_id) if event.type == "payment_intent.succeeded"]
    await lookalike.client.v1.refunds.create_async({"payment_intent": event.data.object["id"]})

    answer = await refund(real_shop, payment_id)

    assert (answer.status_code, error_of(answer)["code"]) == (409, "refund_not_possible")
    listed = await real_shop.client.get(f"/api/v1/payments/{payment_id}/refunds", headers=real_shop.auth)
    assert sorted(made["status"] for made in listed.json()["refunds"]) == ["failed", "succeeded"]


async def test_to_another_project_there_is_nothing_to_refund(
    real_shop: Shop, lookalike: LookAlike, real_services: Services
) -> None:
    payment_id = await bought(real_shop, lookalike, real_services)
    other = await register(real_shop.client)

    assert (await refund(other, payment_id)).status_code == 404
    listed = await other.client.get(f"/api/v1/payments/{payment_id}/refunds", headers=other.auth)
    assert (listed.status_code, error_of(listed)["code"]) == (404, "payment_not_found")


async def test_a_page_s_key_refunds_nothing(shop: Shop, lookalike: LookAlike, services: Services) -> None:
    payment_id = await bought(shop, lookalike, services)

    answer = await shop.client.post(f"/api/v1/payments/{payment_id}/refund", json={}, headers=shop.page)

    assert answer.status_code == 403


async def test_refunds_are_listed_from_the_read_model_as_from_the_store(
    real_shop: Shop, real_services: Services, lookalike: LookAlike, database_url: str
) -> None:
    payment_id = await bought(real_shop, lookalike, real_services, "4000000000007726")
    first = await refund(real_shop, payment_id, {"amount": 300, "reason": "arrived broken"})
    await refund(real_shop, payment_id, {"amount": 200})
    await lookalike.control(f"refunds/{first.json()['gateway_refund_id']}/settle", outcome="succeed")
    await deliver(real_services, first.json()["gateway_refund_id"])
    path = f"/api/v1/payments/{payment_id}/refunds"

    folded = await real_shop.client.get(path, headers=real_shop.auth)
    catch_up(database_url)
    read = await real_shop.client.get(path, headers=real_shop.auth)

    assert "ETag" not in folded.headers
    assert "ETag" in read.headers
    assert read.json() == folded.json()
    shown = [(made["status"], made["amount"], made["credits_revoked"]) for made in read.json()["refunds"]]
    assert shown == [("succeeded", 300, 300), ("pending", 200, 0)]
    payment = (await real_shop.client.get(f"/api/v1/payments/{payment_id}", headers=real_shop.auth)).json()
    assert (payment["refunded"], payment["amount_refunded"], payment["amount_refund_pending"]) == ("partial", 300, 200)


async def test_a_dispute_is_shown_with_its_deadline_from_the_read_model_as_from_the_store(
    real_shop: Shop, real_services: Services, lookalike: LookAlike, database_url: str
) -> None:
    payment_id = await bought(real_shop, lookalike, real_services)
    (event, *_) = [event for event in await lookalike.events(payment_id) if event.type == "charge.succeeded"]
    dispute = await lookalike.control(f"charges/{event.data.object['id']}/dispute", reason="product_not_received")
    await deliver(real_services, dispute["id"])
    path = f"/api/v1/payments/{payment_id}"

    folded = await real_shop.client.get(f"{path}/disputes", headers=real_shop.auth)
    before = (await real_shop.client.get(path, headers=real_shop.auth)).json()
    catch_up(database_url)
    read = await real_shop.client.get(f"{path}/disputes", headers=real_shop.auth)
    after = (await real_shop.client.get(path, headers=real_shop.auth)).json()

    (shown,) = read.json()["disputes"]
    assert read.json() == folded.json()
    assert (shown["dispute_id"], shown["status"], shown["reason"]) == (
        dispute["id"],
        "needs_response",
        "product_not_received",
    )
    assert datetime.fromisoformat(shown["evidence_due_by"]).timestamp() == dispute["evidence_details"]["due_by"]
    assert after == before
    assert (after["disputed"], after["dispute_status"], after["amount_lost"]) == (True, "needs_response", 0)
    refused = await refund(real_shop, payment_id)
    assert (refused.status_code, error_of(refused)["code"]) == (409, "payment_disputed")


async def test_a_lost_dispute_is_shown_as_lost_for_good(
    real_shop: Shop, real_services: Services, lookalike: LookAlike, database_url: str
) -> None:
    payment_id = await bought(real_shop, lookalike, real_services)
    (event, *_) = [event for event in await lookalike.events(payment_id) if event.type == "charge.succeeded"]
    dispute = await lookalike.control(f"charges/{event.data.object['id']}/dispute")
    await lookalike.control(f"disputes/{dispute['id']}/settle", outcome="lose")
    await deliver(real_services, dispute["id"])
    catch_up(database_url)

    shown = (await real_shop.client.get(f"/api/v1/payments/{payment_id}", headers=real_shop.auth)).json()
    listed = await real_shop.client.get(f"/api/v1/payments/{payment_id}/disputes", headers=real_shop.auth)

    assert (shown["status"], shown["disputed"], shown["dispute_status"]) == ("succeeded", True, "lost")
    assert shown["amount_lost"] == 1000
    assert (listed.json()["disputes"][0]["status"], listed.json()["disputes"][0]["credits_revoked"]) == ("lost", 1000)
