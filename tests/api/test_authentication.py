"""Who is let in, and how far."""

import asyncio
from typing import Any

import httpx
import pytest

from api.project_cache import ProjectCache
from commands.store.memory import MemoryStore
from domain.project import PROJECTS, Project
from domain.streams import Stream
from tests.api.conftest import Memory
from tests.api.shop import OPERATOR, PAYMENT, Shop, error_of, register


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic c2tfMTox",
        "Bearer nonsense",
        "Bearer sk_0123_short",
        f"Bearer sk_{'0' * 32}_{'a' * 48}",  # of no project
        "Bearer " + "x" * 4000,
        "Bearer s\u00e9cret".encode("latin-1"),
    ],
)
async def test_without_a_key_in_force_nobody_is_let_in(shop: Shop, store: Memory, authorization: Any) -> None:
    recorded = len(store.rows)
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = await shop.client.post("/api/v1/payments", json=PAYMENT, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert error_of(answer)["type"] == "authentication_error"
    assert len(store.rows) == recorded


async def test_a_key_with_another_end_is_no_key(shop: Shop) -> None:
    wrong = shop.secret_key[:-1] + ("0" if shop.secret_key[-1] != "0" else "1")

    answer = await shop.client.post("/api/v1/payments", json=PAYMENT, headers={"Authorization": f"Bearer {wrong}"})

    assert answer.status_code == 401


async def test_the_project_that_a_header_names_must_be_the_key_s(shop: Shop) -> None:
    other = await register(shop.client)

    assert (await shop.pay(X_Project_ID=shop.project_id)).status_code == 201
    refused = await shop.pay(X_Project_ID=other.project_id)

    assert refused.status_code == 403
    assert error_of(refused)["param"] == "X-Project-ID"
    assert (await shop.pay(X_Project_ID="mine")).status_code == 400


async def test_the_operator_too_must_mean_the_project_that_a_header_names(shop: Shop) -> None:
    other = await register(shop.client)

    answer = await shop.client.get(
        f"/api/v1/projects/{shop.project_id}", headers={**OPERATOR, "X-Project-ID": other.project_id}
    )

    assert answer.status_code == 403


async def test_a_page_of_the_project_s_own_domain_can_start_a_payment(shop: Shop) -> None:
    answer = await shop.client.post("/api/v1/payments/checkout", json=PAYMENT, headers=shop.page)

    assert answer.status_code == 201
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Request-Id" in answer.headers["Access-Control-Expose-Headers"]


async def test_a_browser_is_told_beforehand_that_a_page_may_ask(shop: Shop) -> None:
    answer = await shop.client.options(
        "/api/v1/payments",
        headers={
            "Origin": "https://shop.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
        },
    )

    assert answer.status_code == 200
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"Origin": "https://evil.example.com"},
        {"Origin": "https://shop.example.com.evil.example"},
        {"Origin": "null"},
        {"Origin": "https://[broken"},
        {"Origin": "https://evil.example.com", "Referer": "https://shop.example.com/page"},
    ],
)
async def test_a_page_of_another_domain_can_not(shop: Shop, store: Memory, origin: dict[str, str]) -> None:
    recorded = len(store.rows)
    headers = {"Authorization": shop.page["Authorization"], **origin}

    answer = await shop.client.post("/api/v1/payments", json=PAYMENT, headers=headers)

    assert answer.status_code == 403
    assert len(store.rows) == recorded


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "user-42", "price_id": "price_yen"},
        {**PAYMENT, "success_url": "https://evil.example.com/thanks"},
        {**PAYMENT, "cancel_url": "https://evil.example.com/"},
    ],
)
async def test_a_page_can_start_nothing_but_the_catalogue_s_and_come_back_nowhere_else(
    shop: Shop, store: Memory, body: Any
) -> None:
    recorded = len(store.rows)

    answer = await shop.client.post("/api/v1/payments", json=body, headers=shop.page)

    assert answer.status_code == 403
    assert len(store.rows) == recorded


async def test_a_publishable_key_opens_nothing_else(shop: Shop) -> None:
    started = (await shop.pay()).json()

    for method, path in (
        ("POST", f"/api/v1/payments/{started['payment_id']}/cancel"),
        ("GET", f"/api/v1/projects/{shop.project_id}"),
        ("PATCH", f"/api/v1/projects/{shop.project_id}"),
        ("POST", f"/api/v1/projects/{shop.project_id}/keys"),
    ):
        answer = await shop.client.request(method, path, json={}, headers=shop.page)
        assert answer.status_code == 403, path


async def test_the_operator_starts_no_payments(shop: Shop) -> None:
    answer = await shop.client.post("/api/v1/payments", json=PAYMENT, headers=OPERATOR)

    assert answer.status_code == 403


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.loads = 0

    async def load(self, stream: Stream[Any, Any]) -> Any:
        self.loads += 1
        await asyncio.sleep(0.01)
        return PROJECT_STATE if stream == PROJECTS.at("prj_1") else None


PROJECT_STATE = Project(
    project_id="prj_1",
    name="n",
    domain="d",
    default_currency="usd",
    payment_types=(),
    features=(),
    overridden=(),
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_all_who_ask_for_a_project_at_once_share_one_load() -> None:
    store = CountingStore()
    cache = ProjectCache(store)

    found = await asyncio.gather(*(cache.get("prj_1") for _ in range(50)))

    assert set(map(id, found)) == {id(PROJECT_STATE)}
    assert store.loads == 1


async def test_a_project_is_loaded_again_after_a_second() -> None:
    store, clock = CountingStore(), Clock()
    cache = ProjectCache(store, clock=clock)
    await cache.get("prj_1")
    clock.now += 0.99
    await cache.get("prj_1")
    assert store.loads == 1

    clock.now += 0.02
    await cache.get("prj_1")

    assert store.loads == 2


async def test_a_project_that_was_changed_here_is_loaded_again_at_once() -> None:
    store = CountingStore()
    cache = ProjectCache(store)
    under_way = asyncio.create_task(cache.get("prj_1"))
    await asyncio.sleep(0)
    cache.forget("prj_1")  # while it is being loaded: that load may have been too early
    await under_way

    await cache.get("prj_1")

    assert store.loads == 2


async def test_a_project_that_does_not_exist_is_not_remembered_as_such() -> None:
    store = CountingStore()
    cache = ProjectCache(store)

    assert await cache.get("prj_2") is None
    assert await cache.get("prj_2") is None

    assert store.loads == 2


async def test_the_cache_holds_no_more_than_it_may(client: httpx.AsyncClient, store: Memory) -> None:
    cache = ProjectCache(store, size=2)
    shops = [await register(client) for _ in range(3)]
    for shop in shops:
        await cache.get(shop.project_id)

    assert len(cache._kept) == 2


async def test_who_gives_up_waiting_takes_nobody_along() -> None:
    cache = ProjectCache(CountingStore())
    impatient = asyncio.create_task(cache.get("prj_1"))
    patient = asyncio.create_task(cache.get("prj_1"))
    await asyncio.sleep(0)
    impatient.cancel()

    assert await patient is PROJECT_STATE
