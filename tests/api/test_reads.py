"""Reads, on a real Postgres with the real read models."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.state import Services
from commands.ports import Context
from commands.settlement import settle
from gateways.notices import CheckoutPaid
from tests.api.reading import catch_up
from tests.api.shop import OPERATOR, PAYMENT, Shop, error_of, register

CREDITS = {"user_id": "user-42", "product_id": "credits-1000", "quantity": 3, "metadata": {"order": "7"}}


@pytest.fixture
def shows(database_url: str) -> Any:
    """Bring the read models up to date."""

    async def catch_up_now() -> None:
        await asyncio.to_thread(catch_up, database_url)

    return catch_up_now


async def get(shop: Shop, path: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await shop.client.get(f"/api/v1{path}", headers={**shop.auth, **named})


async def paid(services: Services, started: dict[str, Any], amount_minor: int) -> None:
    """What the gateway's word of a payment does, once it has come."""
    notice = CheckoutPaid(
        checkout_id=started["checkout_session_id"],
        payment_id=started["payment_id"],
        amount_minor=amount_minor,
        currency="usd",
        gateway_payment_id="pi_1",
        gateway_subscription_id=None,
    )
    context = Context(
        command_id=uuid4(),
        fingerprint=b"",
        project_id="",
        actor="gateway:stripe",
        request_id="evt_1",
        causation_id="evt_1",
        now=datetime.now(UTC),
    )
    assert await settle(notice, context, services["store"]) is not None


async def test_what_was_accepted_is_there_before_any_projector_has_run(real_shop: Shop) -> None:
    started = (await real_shop.pay({**PAYMENT, "metadata": {"order": "7"}})).json()

    status = await get(real_shop, f"/payments/{started['payment_id']}/status")
    whole = await get(real_shop, f"/payments/{started['payment_id']}")

    assert status.json() == {
        "payment_id": started["payment_id"],
        "status": "checkout_opened",
        "amount": 2999,
        "currency": "usd",
        "payment_type": "one_time",
        "project_id": real_shop.project_id,
        "created_at": status.json()["created_at"],
        "metadata": {"order": "7"},
    }
    assert status.json()["created_at"].endswith("Z")
    assert whole.json()["checkout_session_id"] == started["checkout_session_id"]


@pytest.mark.parametrize("path", ["", "/status"])
async def test_the_read_model_and_the_store_show_a_payment_alike(path: str, real_shop: Shop, shows: Any) -> None:
    started = (await real_shop.pay({**PAYMENT, "metadata": {"note": 'äöü "€"'}})).json()
    folded = await get(real_shop, f"/payments/{started['payment_id']}{path}")
    await shows()

    read = await get(real_shop, f"/payments/{started['payment_id']}{path}")

    assert read.content == folded.content
    assert "ETag" not in folded.headers
    assert read.headers["ETag"] == '"2"'
    assert read.headers["Content-Type"] == folded.headers["Content-Type"] == "application/json"


async def test_a_version_that_the_caller_has_is_not_sent_again(real_shop: Shop, shows: Any) -> None:
    payment_id = (await real_shop.pay()).json()["payment_id"]
    await shows()
    for path in (f"/payments/{payment_id}", f"/payments/{payment_id}/status"):
        again = await get(real_shop, path, If_None_Match='"1", W/"2"')
        other = await get(real_shop, path, If_None_Match='"1"')

        assert (again.status_code, again.content) == (304, b"")
        assert other.status_code == 200


async def test_a_payment_is_shown_as_the_token_says_even_while_its_read_model_is_behind(
    real_shop: Shop, real_services: Services, shows: Any
) -> None:
    answer = await real_shop.pay()
    await shows()
    await paid(real_services, answer.json(), 2999)
    payment_id = answer.json()["payment_id"]

    behind = await get(real_shop, f"/payments/{payment_id}/status")
    asked = await get(real_shop, f"/payments/{payment_id}/status", Consistency_Token=f"{payment_id}@3")

    assert behind.json()["status"] == "checkout_opened"
    assert asked.json()["status"] == "succeeded"


async def test_credits_that_were_bought_are_in_the_balances(
    real_shop: Shop, real_services: Services, shows: Any
) -> None:
    started = (await real_shop.pay(CREDITS)).json()
    await paid(real_services, started, 3000)
    await shows()

    mine = await get(real_shop, "/credits/user-42")
    nobody = await get(real_shop, "/credits/some/body")
    total = await get(real_shop, f"/projects/{real_shop.project_id}/credits")

    held = {"credit_type": "api", "balance": 3000, "held": 0, "available": 3000}
    assert mine.json() == {"user_id": "user-42", "balances": [{**held, "next_expiry": None, "frozen": False}]}
    assert nobody.json() == {"user_id": "some/body", "balances": []}
    assert total.json() == {"project_id": real_shop.project_id, "balances": [{**held, "wallets": 1}]}


async def test_a_read_waits_for_what_the_token_names(real_shop: Shop, real_services: Services, shows: Any) -> None:
    await shows()
    answer = await real_shop.pay()
    reading = asyncio.create_task(get(real_shop, "/payments", Consistency_Token=answer.headers["Consistency-Token"]))
    await asyncio.sleep(0.05)
    assert not reading.done()

    await shows()

    listed = (await reading).json()["payments"]
    assert [payment["payment_id"] for payment in listed] == [answer.json()["payment_id"]]


async def test_a_read_does_not_wait_for_ever(real_shop: Shop, shows: Any) -> None:
    answer = await real_shop.pay()
    await shows()

    behind = await get(real_shop, "/payments", Consistency_Token=f"{answer.json()['payment_id']}@9")
    passed_over = await get(real_shop, "/credits/user-42", Consistency_Token=f"{answer.json()['payment_id']}@9")

    assert behind.status_code == 503
    assert error_of(behind)["code"] == "read_model_behind"
    assert passed_over.status_code == 200


@pytest.mark.parametrize("token", ["nonsense", "pay_1@", "pay_1@0", "pay_1@-1", "pay_1@1;", "@" * 3000])
async def test_a_token_that_is_none_is_refused(shop: Shop, token: str) -> None:
    answer = await get(shop, "/payments", Consistency_Token=token)

    assert answer.status_code == 400
    assert error_of(answer)["param"] == "Consistency-Token"


async def test_pages_show_every_payment_once_newest_first(real_shop: Shop, shows: Any) -> None:
    started = [(await real_shop.pay()).json()["payment_id"] for _ in range(5)]
    await shows()
    seen: list[str] = []
    query = "limit=2"
    while query:
        page = (await get(real_shop, f"/payments?{query}")).json()
        seen += [payment["payment_id"] for payment in page["payments"]]
        query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""

    assert seen == started[::-1]


async def test_a_list_shows_what_is_wanted(real_shop: Shop, shows: Any) -> None:
    mine = (await real_shop.pay()).json()["payment_id"]
    other = (await real_shop.pay({**CREDITS, "user_id": "somebody"})).json()["payment_id"]
    await shows()

    async def ids(query: str) -> list[str]:
        answer = await get(real_shop, f"/payments?{query}")
        return [payment["payment_id"] for payment in answer.json()["payments"]]

    assert await ids("user_id=user-42") == [mine]
    assert await ids("user_id=%ff") == []
    assert await ids("product_id=credits-1000") == [other]
    assert await ids("status=succeeded") == []
    assert await ids("status=checkout_opened&user_id=somebody") == [other]
    assert await ids("created_after=2001-01-01T00:00:00Z&created_before=2100-01-01T00:00:00%2B02:00") == [other, mine]
    assert await ids("created_before=2001-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("cursor=nonsense", 400),
        ("cursor=WzEsMV0", 400),  # [1,1]
        ("cursor=WzEsInRvZGF5IiwicGF5XzEiXQ", 400),  # [1,"today","pay_1"]
        ("cursor=WzEsIjIwMjYtMDEtMDEiLCJwYXlfMSJd", 400),  # [1,"2026-01-01","pay_1"]: of no zone
        ("cursor=" + "A" * 600, 422),
        ("cursor=%00", 422),
        ("limit=0", 422),
        ("limit=101", 422),
        ("limit=many", 422),
        ("limit=1&limit=2", 422),
        ("status=rich", 422),
        ("user_id=%00", 422),
        ("created_after=yesterday", 422),
        ("created_after=2026-01-01T00:00:00", 422),
        ("created_after=0001-01-01T00:00:00Z", 422),
        ("created_after=99999999999999999999", 422),
        ("surprise=1", 422),
    ],
)
async def test_a_list_asked_for_wrongly_is_refused(shop: Shop, query: str, status: int) -> None:
    answer = await get(shop, f"/payments?{query}")

    assert answer.status_code == status
    assert error_of(answer)["type"] == "validation_error"


@pytest.mark.parametrize(
    "cursor", ["nonsense", "WzEsMF0", "WzEsLTFd", "WzEsMS41XQ", "WzEsMTBlOTld", "WzEsdHJ1ZV0", "W10"]
)
async def test_a_cursor_of_the_trail_that_is_none_is_refused(shop: Shop, cursor: str) -> None:
    answer = await get(shop, f"/audit?cursor={cursor}")

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "cursor_invalid"


async def test_a_payment_s_trail_tells_who_did_what_from_where_and_what_it_caused(
    real_shop: Shop, real_services: Services, shows: Any
) -> None:
    answer = await real_shop.pay(CREDITS, User_Agent="tests/1.0", Request_Id="mine-1")
    await paid(real_services, answer.json(), 3000)
    await shows()

    entries = (await get(real_shop, f"/payments/{answer.json()['payment_id']}/audit")).json()["entries"]

    assert [entry["action"] for entry in entries] == [
        "payment.initiated",
        "payment.checkout_opened",
        "payment.succeeded",
        "credits.purchased",
    ]
    first, _, last, bought = entries
    assert (first["actor_type"], first["resource_type"]) == ("key", "payment")
    assert (first["ip_address"], first["user_agent"], first["request_id"]) == ("203.0.113.7", "tests/1.0", "mine-1")
    assert (last["actor_type"], last["actor_id"], last["causation_id"]) == ("gateway", "stripe", "evt_1")
    assert last["old_values"]["status"] == "checkout_opened"
    assert last["new_values"]["status"] == "succeeded"
    assert last["ip_address"] is None
    assert bought["resource_type"] == "wallet"
    assert len({entry["hash"] for entry in entries}) == 4


async def test_a_project_s_trail_is_its_own_and_complete(real_shop: Shop, shows: Any) -> None:
    await real_shop.pay(Request_Id="mine-1")
    other = await register(real_shop.client)
    await other.pay(Request_Id="mine-1")
    await shows()
    entries: list[dict[str, Any]] = []
    query = "limit=3"
    while query:
        page = (await get(real_shop, f"/audit?{query}")).json()
        entries += page["entries"]
        query = f"limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else ""

    positions = [entry["position"] for entry in entries]
    assert positions == sorted(set(positions))
    assert len(entries) == 7  # registered, two products, two keys, a payment, its checkout
    assert {entry["new_values"].get("project_id", real_shop.project_id) for entry in entries} == {real_shop.project_id}
    assert all(entry["ip_address"] == "203.0.113.7" for entry in entries)


async def test_to_another_project_a_payment_is_not_there(real_shop: Shop, shows: Any) -> None:
    payment_id = (await real_shop.pay()).json()["payment_id"]
    other = await register(real_shop.client)
    for _ in range(2):  # before the read model shows it, and after
        for path in ("", "/status", "/audit"):
            answer = await get(other, f"/payments/{payment_id}{path}")
            assert answer.status_code == 404
            assert error_of(answer)["code"] == "payment_not_found"
        await shows()

    assert (await get(other, "/payments")).json() == {"payments": [], "next_cursor": None}
    assert (await get(other, f"/projects/{real_shop.project_id}/credits")).status_code == 404


async def test_before_any_projector_has_run_a_list_says_so(real_shop: Shop) -> None:
    answer = await get(real_shop, "/payments")

    assert answer.status_code == 503
    assert error_of(answer)["retry_after"] is not None


async def test_an_operator_sees_what_a_project_s_customers_hold(real_shop: Shop, shows: Any) -> None:
    await shows()

    answer = await real_shop.client.get(f"/api/v1/projects/{real_shop.project_id}/credits", headers=OPERATOR)

    assert answer.json()["balances"] == []


async def test_health_and_figures_tell_how_it_stands(real_shop: Shop, database_url: str) -> None:
    assert (await real_shop.client.get("/health/live")).json() == {"status": "ok"}
    assert (await real_shop.client.get("/health/ready")).json() == {"status": "ok"}
    figures = (await real_shop.client.get("/metrics")).text
    assert "tillstream_unpublished_facts 5.0" in figures
    assert 'route="/api/v1/projects",status="201"' in figures

    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM _yoyo_migration WHERE migration_id = '0005.read'")
    unready = await real_shop.client.get("/health/ready")

    assert unready.status_code == 503
    assert error_of(unready)["details"] == {"missing": "0005.read"}
