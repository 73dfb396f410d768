"""Reads of what stands still: they say so, or show what the store has."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from api.state import Services
from tests.api.reading import catch_up
from tests.api.shop import Shop, error_of
from tests.api.test_reads import get, paid


@pytest.fixture
async def parked(real_shop: Shop, real_services: Services, database_url: str) -> dict[str, Any]:
    """A payment that was paid, but its read models stand still where it was begun."""
    started: dict[str, Any] = (await real_shop.pay()).json()
    await asyncio.to_thread(catch_up, database_url)
    await paid(real_services, started, 2999)
    park(database_url, real_shop.project_id, started["payment_id"])
    return started


def park(database_url: str, project_id: str, stream: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO read.parked_keys (read_model, generation, stream, project_id, event_id, position, error)"
            " SELECT read_model, generation, %s, %s, %s, 3, 'a test' FROM read.generations",
            [stream, project_id, uuid4()],
        )


@pytest.mark.parametrize("path", ["/payments/{}", "/payments/{}/status"])
async def test_a_payment_that_is_parked_is_shown_as_the_store_has_it(
    path: str, real_shop: Shop, parked: dict[str, Any]
) -> None:
    shown = await get(real_shop, path.format(parked["payment_id"]))

    assert (shown.status_code, shown.json()["status"]) == (200, "succeeded")
    assert "ETag" not in shown.headers


@pytest.mark.parametrize("path", ["/payments", "/audit", "/payments/{}/audit", "/credits/user-42"])
async def test_a_read_among_whose_rows_one_is_parked_says_so(
    path: str, real_shop: Shop, parked: dict[str, Any]
) -> None:
    shown = await get(real_shop, path.format(parked["payment_id"]))

    assert shown.status_code == 200
    assert shown.headers["Read-Model-Parked"] == "true"


async def test_what_is_parked_of_one_project_does_not_concern_another(
    real_shop: Shop, real_services: Services, database_url: str
) -> None:
    await real_shop.pay()
    await asyncio.to_thread(catch_up, database_url)
    park(database_url, f"prj_{'9' * 32}", "pay_9")

    shown = await get(real_shop, "/payments")

    assert "Read-Model-Parked" not in shown.headers


async def test_nobody_waits_for_what_stands_still(real_shop: Shop, parked: dict[str, Any]) -> None:
    refused = await get(real_shop, "/payments", Consistency_Token=f"{parked['payment_id']}@3")

    assert refused.status_code == 503
    assert error_of(refused)["code"] == "read_model_parked"
    assert error_of(refused)["details"] == {"stream": parked["payment_id"], "version": 3}
    assert refused.headers["Retry-After"] == "60"


async def test_a_read_says_no_more_of_it_soon_after_it_went_on(
    real_shop: Shop, parked: dict[str, Any], database_url: str
) -> None:
    assert "Read-Model-Parked" in (await get(real_shop, "/payments")).headers
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM read.parked_keys")

    async with asyncio.timeout(30):
        while "Read-Model-Parked" in (await get(real_shop, "/payments")).headers:  # noqa: ASYNC110 - the cache tells nobody
            await asyncio.sleep(0.1)
