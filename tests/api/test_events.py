"""A project pulls its own events: each once, in order, from any position on, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from api.state import Services
from eventlog.store import STORE, StoreLog
from projections import folding
from schemas.rendering import to_json
from tests.api.reading import catch_up
from tests.api.shop import Shop, error_of, register
from tests.api.test_reads import paid


@pytest.fixture
async def two_shops(
    real_services: Services, client_of: Callable[[Services], httpx.AsyncClient]
) -> AsyncIterator[tuple[Shop, Shop]]:
    async with client_of(real_services) as client:
        yield await register(client), await register(client, name="Another Shop", domain="another.example.com")


async def pull(shop: Shop, **query: Any) -> dict[str, Any]:
    answer = await shop.client.get("/api/v1/events", params=query, headers=shop.auth)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def all_of(shop: Shop, **query: Any) -> list[dict[str, Any]]:
    """Page by page, as a program does."""
    events: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next_after": 0, "has_more": True}
    while page["has_more"]:
        page = await pull(shop, after=page["next_after"], **query)
        events += page["events"]
    return events


async def test_each_project_gets_its_own_events_in_order_and_no_others(
    two_shops: tuple[Shop, Shop], database_url: str
) -> None:
    one, other = two_shops
    for number in range(4):
        for shop in two_shops:
            assert (await shop.pay({"user_id": f"u{number}", "product_id": "ebook"})).status_code == 201
    await asyncio.to_thread(catch_up, database_url)

    for shop in (one, other):
        events = await all_of(shop, limit=3)

        positions = [event["metadata"]["position"] for event in events]
        assert positions == sorted(set(positions))
        assert {event["project_id"] for event in events} == {shop.project_id}
        assert [event["type"] for event in events].count("payment.initiated") == 4
        assert events[0]["type"] == "project.registered"


async def test_an_event_is_the_same_fact_as_in_the_log(real_shop: Shop, database_url: str) -> None:
    await real_shop.pay()
    await asyncio.to_thread(catch_up, database_url)
    with folding.connect(database_url, "test") as connection:
        log = StoreLog(connection)
        log.seek({STORE: 0})
        facts = [fact for batch in log.read(1000, 0.0) for fact in batch.facts]

    assert await all_of(real_shop) == [to_json(fact) for fact in facts]


async def test_only_the_wanted_types_come_and_the_others_are_left_behind(
    real_shop: Shop, real_services: Services, database_url: str
) -> None:
    started = (await real_shop.pay({"user_id": "u", "product_id": "credits-1000"})).json()
    await paid(real_services, started, 1000)
    await asyncio.to_thread(catch_up, database_url)

    page = await pull(real_shop, types="payment.succeeded,credits.purchased")

    assert [event["type"] for event in page["events"]] == ["payment.succeeded", "credits.purchased"]
    assert not page["has_more"]
    assert (await pull(real_shop, types="payment.failed"))["next_after"] == page["next_after"]
    assert (await pull(real_shop, after=page["next_after"]))["events"] == []


async def test_a_caller_who_waits_is_answered_as_soon_as_there_is_an_event(real_shop: Shop, database_url: str) -> None:
    await asyncio.to_thread(catch_up, database_url)
    after = (await pull(real_shop))["next_after"]
    waiting = [asyncio.create_task(pull(real_shop, after=after, wait=25)) for _ in range(3)]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in waiting)

    await real_shop.pay()
    await asyncio.to_thread(catch_up, database_url)

    pages = await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert all(page["events"] for page in pages)
    assert {page["events"][0]["type"] for page in pages} == {"payment.initiated"}


async def test_somebody_elses_event_ends_no_wait(two_shops: tuple[Shop, Shop], database_url: str) -> None:
    one, other = two_shops
    await asyncio.to_thread(catch_up, database_url)
    after = (await pull(one))["next_after"]
    waiting = asyncio.create_task(pull(one, after=after, wait=1))

    await other.pay()
    await asyncio.to_thread(catch_up, database_url)

    assert await waiting == {"events": [], "next_after": after, "has_more": False}


async def test_a_cursor_that_could_pass_events_by_is_refused(two_shops: tuple[Shop, Shop], database_url: str) -> None:
    one, other = two_shops
    await asyncio.to_thread(catch_up, database_url)
    of_another = (await pull(other))["next_after"]
    for after, sentence in ((of_another, "is no event of this project"), (10**9, "is past the end of the log")):
        refused = await one.client.get("/api/v1/events", params={"after": after}, headers=one.auth)

        assert refused.status_code == 422
        assert error_of(refused)["code"] == "position_invalid"
        assert sentence in error_of(refused)["message"]


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "types=payment.payed", "types=", "limit=0", "limit=101", "wait=26", "cursor=3"]
)
async def test_a_query_that_cannot_be_meant_is_refused_with_a_sentence(real_shop: Shop, query: str) -> None:
    refused = await real_shop.client.get(f"/api/v1/events?{query}", headers=real_shop.auth)

    assert refused.status_code == 422
    assert error_of(refused)["message"]
