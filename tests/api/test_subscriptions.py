"""Subscriptions over HTTP: shown as they stand, with the payments that belong to them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from api.state import Services
from tests.api.reading import catch_up
from tests.api.shop import Shop, error_of, register
from tests.api.subscribing import PLANS, Subscriber, deliver, subscribe
from tests.sandbox.stripe.lookalike import LookAlike
from tests.sandbox.stripe.receiver import Receiver

BEGINNING = ("checkout.session.completed", "customer.subscription.created", "invoice.paid")


@pytest.fixture
async def plans_shop(
    real_services: Services, client_of: Callable[[Services], httpx.AsyncClient]
) -> AsyncIterator[Shop]:
    """A shop that sells two plans."""
    async with client_of(real_services) as client:
        yield await register(client, products=PLANS)


@pytest.fixture
async def subscriber(plans_shop: Shop, lookalike: LookAlike, receiver: Receiver) -> Subscriber:
    """One whose subscription is known from its beginning."""
    found = await subscribe(plans_shop, lookalike, receiver)
    await found.deliver(*BEGINNING)
    return found


@pytest.fixture
def shown(database_url: str, plans_shop: Shop) -> Callable[..., Any]:
    """What a read answers, once the read models are up to date."""

    async def ask(path: str) -> Any:
        await asyncio.to_thread(catch_up, database_url)
        answer = await plans_shop.client.get(f"/api/v1{path}", headers=plans_shop.auth)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


async def test_a_customer_s_subscriptions_are_shown_as_they_stand(subscriber: Subscriber, shown: Any) -> None:
    answer = await shown("/subscriptions/user-42")

    (subscription,) = answer["subscriptions"]
    assert answer["user_id"] == "user-42"
    assert subscription["subscription_id"].startswith("sub_")
    expected = {
        "product_id": "pro",
        "status": "active",
        "payment_type": "subscription",
        "payment_id": subscriber.payment_id,
        "quantity": 1,
        "amount": 2000,
        "currency": "usd",
        "interval": "month",
        "interval_count": 1,
        "trial_end": None,
        "cancel_at": None,
        "access_until": None,
        "failed_attempts": 0,
    }
    assert subscription.items() >= expected.items()
    assert subscription["current_period_end"] > subscription["current_period_start"]


async def test_one_who_never_subscribed_has_no_subscriptions(plans_shop: Shop, shown: Any) -> None:
    assert await shown("/subscriptions/nobody") == {"user_id": "nobody", "subscriptions": []}


async def test_a_subscription_s_payments_are_listed_the_checkout_s_first_of_all(
    subscriber: Subscriber, lookalike: LookAlike, shown: Any
) -> None:
    (subscription,) = (await shown("/subscriptions/user-42"))["subscriptions"]

    page = await shown(f"/payments?subscription_id={subscription['subscription_id']}")

    assert [payment["payment_id"] for payment in page["payments"]] == [subscriber.payment_id]
    assert page["payments"][0]["subscription_id"] == subscription["subscription_id"]
    assert (await shown("/payments?subscription_id=sub_of_nobody"))["payments"] == []


async def test_another_project_sees_nothing_of_it(
    subscriber: Subscriber, plans_shop: Shop, database_url: str, shown: Any
) -> None:
    other = await register(plans_shop.client)
    await asyncio.to_thread(catch_up, database_url)

    answer = await other.client.get("/api/v1/subscriptions/user-42", headers=other.auth)

    assert answer.json()["subscriptions"] == []


async def test_the_audit_trail_tells_a_subscription_s_life(subscriber: Subscriber, shown: Any) -> None:
    (subscription,) = (await shown("/subscriptions/user-42"))["subscriptions"]
    entries = (await shown("/audit"))["entries"]
    assert "subscription.created" in [entry["action"] for entry in entries]

    trail, cursor = [], ""
    while True:
        page = await shown(f"/audit?resource_id={subscription['subscription_id']}&limit=1{cursor}")
        trail += [(entry["resource_type"], entry["action"]) for entry in page["entries"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert ("subscription", "subscription.created") in trail
    assert ("payment", "payment.succeeded") in trail, "told by the same webhook"
    assert ("payment", "payment.initiated") not in trail
    assert (await shown("/audit?resource_id=sub_of_nobody"))["entries"] == []


async def test_a_webhook_of_somebody_else_s_subscription_is_taken_and_kept(
    plans_shop: Shop, lookalike: LookAlike, receiver: Receiver
) -> None:
    """Another service on the same account: never a 5xx to Stripe, who would send it again for days."""
    foreign = await lookalike.subscribe()

    for arrival in [arrival for arrival in receiver.arrivals if foreign.id in arrival.body.decode()]:
        assert (await deliver(plans_shop.client, arrival)).status_code == 200


async def test_a_grace_period_is_a_project_s_setting(plans_shop: Shop) -> None:
    path = f"/api/v1/projects/{plans_shop.project_id}"
    assert plans_shop.answer["grace_period_days"] == 3

    changed = await plans_shop.client.patch(path, json={"grace_period_days": 14}, headers=plans_shop.auth)
    refused = await plans_shop.client.patch(path, json={"grace_period_days": 365}, headers=plans_shop.auth)

    assert changed.json()["grace_period_days"] == 14
    assert error_of(refused)["param"] == "grace_period_days"


# Changing one.


@pytest.fixture
async def place(subscriber: Subscriber, shown: Any) -> str:
    """Where the subscriber's subscription is asked to change."""
    (subscription,) = (await shown("/subscriptions/user-42"))["subscriptions"]
    return f"/api/v1/subscriptions/{subscription['subscription_id']}"


async def post(shop: Shop, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
    headers = {**shop.auth, **({"Idempotency-Key": key} if key else {})}
    return await shop.client.post(path, json={} if body is None else body, headers=headers)


async def test_a_subscription_is_canceled_shown_so_and_taken_back(plans_shop: Shop, place: str, shown: Any) -> None:
    canceled = await post(plans_shop, f"{place}/cancel", {"reason": "too expensive"})

    (subscription,) = (await shown("/subscriptions/user-42"))["subscriptions"]
    assert canceled.status_code == 200
    assert (canceled.json()["outcome"], subscription["status"]) == ("done", "active")
    assert subscription["cancel_at"] == subscription["access_until"] == subscription["current_period_end"]
    assert canceled.headers["Consistency-Token"].startswith(subscription["subscription_id"])

    resumed = await post(plans_shop, f"{place}/resume")

    (subscription,) = (await shown("/subscriptions/user-42"))["subscriptions"]
    assert (resumed.status_code, subscription["cancel_at"], subscription["access_until"]) == (200, None, None)


async def test_a_repeated_request_gets_the_first_answer(plans_shop: Shop, place: str) -> None:
    first = await post(plans_shop, f"{place}/change", {"product_id": "team"}, key="change-1")
    second = await post(plans_shop, f"{place}/change", {"product_id": "team"}, key="change-1")
    other = await post(plans_shop, f"{place}/change", {"quantity": 2}, key="change-1")

    assert (first.status_code, first.json()["product_id"]) == (200, "team")
    assert second.text == first.text
    assert second.headers["Idempotent-Replayed"] == "true"
    assert error_of(other)["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"product_id": "platinum"}, 404, "product_not_found"),
        ({}, 422, "validation_failed"),
        ({"quantity": 0}, 422, "validation_failed"),
        ({"product_id": "team", "proration": "later"}, 422, "validation_failed"),
    ],
)
async def test_a_change_to_what_is_not_sold_says_what_to_send(
    plans_shop: Shop, place: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await post(plans_shop, f"{place}/change", body)

    assert answer.status_code == status
    error = error_of(answer)
    assert error["message"]
    assert error["code"] == code or status == 422


async def test_what_has_ended_cannot_be_canceled_again(plans_shop: Shop, place: str) -> None:
    assert (await post(plans_shop, f"{place}/cancel", {"at": "now"})).json()["status"] == "expired"

    answer = await post(plans_shop, f"{place}/cancel")

    assert (answer.status_code, error_of(answer)["code"]) == (409, "subscription_ended")


async def test_another_project_cannot_change_it(plans_shop: Shop, place: str) -> None:
    other = await register(plans_shop.client, products=PLANS)

    for name in ("cancel", "resume", "pause"):
        answer = await post(other, f"{place}/{name}")
        assert (answer.status_code, error_of(answer)["code"]) == (404, "subscription_not_found")


async def test_while_stripe_is_silent_the_change_is_unconfirmed_and_then_the_same_request_settles_it(
    plans_shop: Shop, place: str, lookalike: LookAlike
) -> None:
    await lookalike.control("faults", kind="reset_after", path="/v1/subscriptions/*", method="POST", times=9)

    silent = await post(plans_shop, f"{place}/pause", key="pause-1")
    await lookalike.http.delete("/sandbox/faults")
    settled = await post(plans_shop, f"{place}/pause", key="pause-1")

    assert (silent.status_code, silent.json()["outcome"]) == (202, "unconfirmed")
    assert (settled.status_code, settled.json()["outcome"], settled.json()["status"]) == (200, "done", "paused")


# What is owed.


async def test_the_page_on_which_a_failed_renewal_can_be_paid_is_shown_to_its_project_alone(
    subscriber: Subscriber, place: str, lookalike: LookAlike
) -> None:
    shop = subscriber.shop
    nothing = await shop.client.get(f"{place}/payment_page", headers=shop.auth)
    assert (nothing.status_code, error_of(nothing)["code"]) == (409, "nothing_owed")
    at_stripe = await lookalike.subscription(subscriber.at_stripe)
    await lookalike.use_card(str(at_stripe.customer), at_stripe.id, "pm_card_chargeCustomerFail")
    await lookalike.advance(days=31)
    await lookalike.advance(3600 * 2)
    await subscriber.deliver("invoice.payment_failed")

    shown = await shop.client.get(f"{place}/payment_page", headers=shop.auth)

    assert shown.status_code == 200, shown.text
    assert shown.json()["action_required"] is False
    assert shown.json()["url"].startswith("http")
    other = await register(shop.client, products=PLANS)
    refused = await other.client.get(f"{place}/payment_page", headers=other.auth)
    assert (refused.status_code, error_of(refused)["code"]) == (404, "subscription_not_found")
