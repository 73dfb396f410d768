"""Metered usage over HTTP: taken without the gateway, reported by the reconciler, told of in the trail and in the feed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from consumers.reconciler import Reconciler
from tests.api.reading import catch_up
from tests.api.shop import PROJECT, Shop, error_of, register
from tests.api.subscribing import Subscriber, subscribe
from tests.sandbox.stripe.lookalike import LookAlike
from tests.sandbox.stripe.receiver import Receiver

CALLS = {"id": "calls", "name": "API calls", "type": "metered", "price_id": "price_calls_metered"}
USE: dict[str, Any] = {"user_id": "user-42", "product_id": "calls", "quantity": 250}


@pytest.fixture
async def metered(real_shop: Shop, lookalike: LookAlike, receiver: Receiver) -> Subscriber:
    """A customer who has subscribed to something metered."""
    shop = await register(real_shop.client, products=[*PROJECT["products"], CALLS])
    subscriber = await subscribe(shop, lookalike, receiver, product_id="calls")
    await subscriber.deliver("customer.subscription.created")
    return subscriber


async def use(shop: Shop, **changes: Any) -> httpx.Response:
    headers = {**shop.auth, **changes.pop("headers", {})}
    return await shop.client.post("/api/v1/usage", json={**USE, **changes}, headers=headers)


async def test_use_is_taken_reported_and_told_of(
    metered: Subscriber, reconciler: Reconciler, lookalike: LookAlike, database_url: str
) -> None:
    shop = metered.shop
    await lookalike.control("faults", kind="server_error", times=99)
    taken = await use(shop, identifier="job-7")
    await lookalike.http.delete("/sandbox/faults")
    assert taken.status_code == 201, taken.text
    assert taken.json()["status"] == "recorded"
    assert taken.headers["Consistency-Token"] == f"{taken.json()['usage_id']}@1"

    assert await reconciler.report_usage(datetime.now(UTC)) == {"usage_reported": 1}
    assert await reconciler.report_usage(datetime.now(UTC)) == {}

    path = f"/api/v1/usage/{taken.json()['usage_id']}"
    shown = (await shop.client.get(path, headers=shop.auth)).json()
    assert shown == {**taken.json(), "status": "reported"}
    catch_up(database_url)
    trail = await shop.client.get("/api/v1/audit", params={"resource_id": taken.json()["usage_id"]}, headers=shop.auth)
    told = [(entry["action"], entry["actor_type"]) for entry in trail.json()["entries"]]
    assert told == [("usage.recorded", "key"), ("usage.reported", "system")]
    assert {entry["resource_type"] for entry in trail.json()["entries"]} == {"usage"}
    feed = (await shop.client.get("/api/v1/events", params={"limit": 100}, headers=shop.auth)).json()
    assert [event["type"] for event in feed["events"]][-2:] == ["usage.recorded", "usage.reported"]


async def test_the_same_key_or_identifier_counts_once(metered: Subscriber, reconciler: Reconciler) -> None:
    shop = metered.shop
    first = await use(shop, headers={"Idempotency-Key": "u-1"})
    again = await use(shop, headers={"Idempotency-Key": "u-1"})
    other = await use(shop, quantity=1, headers={"Idempotency-Key": "u-1"})
    named = [await use(shop, identifier="job-7") for _ in range(2)]
    differs = await use(shop, identifier="job-7", quantity=1)

    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert (other.status_code, error_of(other)["code"]) == (422, "idempotency_key_reused")
    assert named[0].json() == named[1].json()
    assert (differs.status_code, error_of(differs)["code"]) == (409, "identifier_reused")
    assert await reconciler.report_usage(datetime.now(UTC)) == {"usage_reported": 2}


async def test_what_cannot_be_counted_is_refused_and_says_why(metered: Subscriber) -> None:
    now = datetime.now(UTC)
    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"user_id": "user-43"}, 409, "not_subscribed"),
        ({"product_id": "ebook"}, 422, "product_not_metered"),
        ({"product_id": "none"}, 404, "product_not_found"),
        ({"used_at": (now - timedelta(days=36)).isoformat()}, 422, "used_too_long_ago"),
        ({"used_at": (now + timedelta(hours=1)).isoformat()}, 422, "used_in_future"),
        ({"identifier": "ada@example.com"}, 422, "personal_data"),
        ({"quantity": -1}, 422, "request_invalid"),
        ({"quantity": 2.5}, 422, "request_invalid"),
    ]
    for changes, status, code in refused:
        answer = await use(metered.shop, **changes)
        assert (answer.status_code, error_of(answer)["code"]) == (status, code)


async def test_another_projects_usage_does_not_exist(metered: Subscriber) -> None:
    taken = (await use(metered.shop)).json()
    other = await register(metered.shop.client)

    answer = await other.client.get(f"/api/v1/usage/{taken['usage_id']}", headers=other.auth)

    assert (answer.status_code, error_of(answer)["code"]) == (404, "usage_not_found")
