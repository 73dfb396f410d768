"""Credits over HTTP: given, spent, held, shown."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.state import Services
from tests.api.conftest import Memory
from tests.api.reading import catch_up
from tests.api.shop import OPERATOR, Shop, error_of, register
from tests.api.test_reads import get

OF_ADA: dict[str, Any] = {"user_id": "user-42", "credit_type": "api"}
A_HOLD = f"hold_{'0' * 32}_{'0' * 32}"


async def post(shop: Shop, path: str, body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await shop.client.post(f"/api/v1/credits{path}", json=body or {}, headers={**shop.auth, **named})


async def give(shop: Shop, amount: int, **changes: Any) -> httpx.Response:
    answer = await post(shop, "/grant", {**OF_ADA, "amount": amount, "reason": "a gift", **changes})
    assert answer.status_code == 201, answer.text
    return answer


async def spend(shop: Shop, amount: Any, key: str | None = None, **changes: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency_Key": key}
    return await post(shop, "/consume", {**OF_ADA, "amount": amount, "reference": "report-7", **changes}, **headers)


async def hold(shop: Shop, amount: int, **changes: Any) -> httpx.Response:
    return await post(shop, "/hold", {**OF_ADA, "amount": amount, **changes})


async def test_credits_are_given_spent_and_refused(shop: Shop) -> None:
    given = await give(shop, 50)
    spent = await spend(shop, 40)
    refused = await spend(shop, 11)

    assert given.json()["balance"] == 50
    assert (spent.status_code, spent.json()["balance"], spent.json()["available"]) == (200, 10, 10)
    (portion,) = spent.json()["portions"]
    assert portion == {
        "entry_id": given.json()["entry_id"],
        "payment_id": None,
        "amount": 40,
        "remaining": 10,
    }
    assert spent.headers["Consistency-Token"].endswith("@2")
    assert refused.status_code == 402
    error = error_of(refused)
    assert (error["type"], error["code"], error["param"]) == ("insufficient_funds", "insufficient_credits", "amount")
    assert error["details"] == {"credit_type": "api", "requested": 11, "available": 10}


async def test_one_key_spends_once_however_often_it_is_sent(shop: Shop) -> None:
    await give(shop, 50)

    answers = await asyncio.gather(*(spend(shop, 40, "job-1") for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 19
    assert (await spend(shop, 10)).json()["balance"] == 0


async def test_a_refused_spend_stays_refused_under_its_key(shop: Shop) -> None:
    refused = await spend(shop, 1, "job-1")
    await give(shop, 50)

    again = await spend(shop, 1, "job-1")

    assert (refused.status_code, again.status_code) == (402, 402)
    assert error_of(again)["details"] == error_of(refused)["details"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await spend(shop, 1, "job-2")).status_code == 200


async def test_the_same_key_for_another_spend_is_refused(shop: Shop) -> None:
    await give(shop, 50)
    await spend(shop, 1, "job-1")

    answer = await spend(shop, 2, "job-1")

    assert (answer.status_code, error_of(answer)["type"]) == (422, "idempotency_error")


async def test_a_hold_is_captured_in_part_and_then_is_over(shop: Shop) -> None:
    await give(shop, 50)
    held = await hold(shop, 30, reference="render-7", expires_in=3600)
    hold_id = held.json()["hold_id"]

    assert (held.status_code, held.json()["available"], held.json()["held"]) == (201, 20, 30)
    assert (await spend(shop, 21)).status_code == 402

    captured = await post(shop, f"/hold/{hold_id}/capture", {"amount": 10})
    assert (captured.status_code, captured.json()["captured"], captured.json()["released"]) == (200, 10, 20)
    assert (captured.json()["balance"], captured.json()["held"]) == (40, 0)

    again = await post(shop, f"/hold/{hold_id}/capture")
    assert again.status_code == 409
    assert (error_of(again)["code"], error_of(again)["details"]) == ("hold_not_open", {"ending": "captured"})


async def test_a_released_hold_cannot_be_captured(shop: Shop) -> None:
    await give(shop, 50)
    hold_id = (await hold(shop, 30)).json()["hold_id"]

    released = await post(shop, f"/hold/{hold_id}/release")
    captured = await post(shop, f"/hold/{hold_id}/capture")

    assert (released.status_code, released.json()["available"], released.json()["released"]) == (200, 50, 30)
    assert (captured.status_code, error_of(captured)["code"]) == (409, "hold_not_open")


async def test_capture_and_release_need_no_body(shop: Shop) -> None:
    await give(shop, 50)
    for end in ("capture", "release"):
        hold_id = (await hold(shop, 10)).json()["hold_id"]

        answer = await shop.client.post(f"/api/v1/credits/hold/{hold_id}/{end}", headers=shop.auth)

        assert answer.status_code == 200, answer.text


async def test_no_more_is_captured_than_is_held(shop: Shop) -> None:
    await give(shop, 50)
    hold_id = (await hold(shop, 30)).json()["hold_id"]

    answer = await post(shop, f"/hold/{hold_id}/capture", {"amount": 31})

    assert (answer.status_code, error_of(answer)["code"]) == (422, "capture_exceeds_hold")


async def test_without_a_word_on_it_a_hold_is_for_a_day(shop: Shop) -> None:
    await give(shop, 50)

    until = datetime.fromisoformat((await hold(shop, 1)).json()["expires_at"])

    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(hours=24)


async def test_to_another_project_hold_and_credits_do_not_exist(shop: Shop) -> None:
    await give(shop, 50)
    hold_id = (await hold(shop, 30)).json()["hold_id"]
    other = await register(shop.client, name="Other")

    for path in (f"/hold/{hold_id}/capture", f"/hold/{hold_id}/release", f"/hold/{A_HOLD}/capture"):
        answer = await post(other, path)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "hold_not_found")
    assert (await spend(other, 1)).status_code == 402


@pytest.mark.parametrize("path", ["/grant", "/consume", "/hold", f"/hold/{A_HOLD}/capture", f"/hold/{A_HOLD}/release"])
async def test_only_a_project_s_server_moves_credits(shop: Shop, path: str) -> None:
    for headers, status in ((OPERATOR, 403), (shop.page, 403), ({}, 401)):
        answer = await shop.client.post(f"/api/v1/credits{path}", json={}, headers=headers)
        assert answer.status_code == status


LATER, LONG_AGO = "2199-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


@pytest.mark.parametrize("path", ["/grant", "/consume", "/hold"])
@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"user_id": "person@example.com"}, "user_id", "personal_data"),
        ({"user_id": "+14155552671"}, "user_id", "personal_data"),
        ({"user_id": ""}, "user_id", "request_invalid"),
        ({"user_id": "a\u0000b"}, "user_id", "request_invalid"),
        ({"user_id": None}, "user_id", "request_invalid"),
        ({"credit_type": ""}, "credit_type", "request_invalid"),
        ({"credit_type": "API"}, "credit_type", "request_invalid"),
        ({"credit_type": "x" * 51}, "credit_type", "request_invalid"),
        ({"amount": 0}, "amount", "request_invalid"),
        ({"amount": -5}, "amount", "request_invalid"),
        ({"amount": 10**12 + 1}, "amount", "request_invalid"),
        ({"amount": 10**40}, "amount", "request_invalid"),
        ({"amount": 1.5}, "amount", "request_invalid"),
        ({"amount": "5"}, "amount", "request_invalid"),
        ({"amount": True}, "amount", "request_invalid"),
        ({"amount": None}, "amount", "request_invalid"),
        ({"surprise": 1}, "surprise", "request_invalid"),
    ],
)
async def test_what_no_command_takes_is_refused(
    shop: Shop, store: Memory, path: str, change: Any, param: str, code: str
) -> None:
    recorded = len(store.rows)
    usual = {**OF_ADA, "amount": 5, **({"reason": "a gift"} if path == "/grant" else {})}

    answer = await post(shop, path, {**usual, **change})

    error = error_of(answer)
    assert (answer.status_code, error["param"], error["code"]) == (422, param, code)
    assert len(store.rows) == recorded


@pytest.mark.parametrize(
    ("path", "change", "param", "code"),
    [
        ("/grant", {"reason": ""}, "reason", "request_invalid"),
        ("/grant", {"reason": "for person@example.com"}, "reason", "personal_data"),
        ("/grant", {"priority": -1}, "priority", "request_invalid"),
        ("/grant", {"priority": 1_001}, "priority", "request_invalid"),
        ("/grant", {"expires_at": LONG_AGO}, "expires_at", "expiry_in_the_past"),
        ("/grant", {"expires_at": "2300-01-01T00:00:00Z"}, "expires_at", "request_invalid"),
        ("/grant", {"expires_at": "2199-01-01T00:00:00"}, "expires_at", "request_invalid"),
        ("/grant", {"expires_at": "2199-13-01T00:00:00Z"}, "expires_at", "no_such_moment"),
        ("/grant", {"expires_at": "2199-01-01"}, "expires_at", "request_invalid"),
        ("/grant", {"expires_at": "tomorrow"}, "expires_at", "request_invalid"),
        ("/grant", {"expires_at": 1_800_000_000}, "expires_at", "request_invalid"),
        ("/consume", {"reference": ""}, "reference", "request_invalid"),
        ("/consume", {"reference": "4242 4242 4242 4242"}, "reference", "personal_data"),
        ("/consume", {"expires_at": LATER}, "expires_at", "request_invalid"),
        ("/hold", {"expires_in": 0}, "expires_in", "request_invalid"),
        ("/hold", {"expires_in": 31 * 24 * 3600 + 1}, "expires_in", "request_invalid"),
        ("/hold", {"expires_in": 60, "expires_at": LATER}, None, "expiry_twice"),
        ("/hold", {"expires_at": LONG_AGO}, "expires_at", "expiry_in_the_past"),
        ("/hold", {"expires_at": LATER}, "expires_at", "hold_too_long"),
        (f"/hold/{A_HOLD}/capture", {"amount": 0}, "amount", "request_invalid"),
        (f"/hold/{A_HOLD}/capture", {"everything": True}, "everything", "request_invalid"),
        (f"/hold/{A_HOLD}/release", {"amount": 5}, "amount", "request_invalid"),
        ("/hold/hold_1/capture", {}, "hold_id", "request_invalid"),
        (f"/hold/{A_HOLD[:-1]}X/release", {}, "hold_id", "request_invalid"),
    ],
)
async def test_a_command_with_a_bad_field_is_refused(
    shop: Shop, store: Memory, path: str, change: Any, param: str | None, code: str
) -> None:
    recorded = len(store.rows)
    usual: dict[str, Any] = {} if "_" in path else {**OF_ADA, "amount": 5}
    if path == "/grant":
        usual["reason"] = "a gift"

    answer = await post(shop, path, {**usual, **change})

    error = error_of(answer)
    assert (answer.status_code, error["param"], error["code"]) == (422, param, code)
    assert len(store.rows) == recorded


async def test_a_moment_is_taken_in_any_zone(shop: Shop) -> None:
    given = await give(shop, 5, expires_at="2199-01-01t02:00:00.123456789+02:00")

    assert given.json()["expires_at"] == "2199-01-01T00:00:00.123456Z"


async def test_what_was_given_spent_and_held_is_shown(
    real_shop: Shop, real_services: Services, database_url: str
) -> None:
    await give(real_shop, 50, expires_at=LATER)
    await give(real_shop, 5, credit_type="download")
    await spend(real_shop, 20)
    held = await hold(real_shop, 10, reference="render-7")
    await asyncio.to_thread(catch_up, database_url)

    token = held.headers["Consistency-Token"]
    balances = (await get(real_shop, "/credits/user-42", Consistency_Token=token)).json()["balances"]
    total = (await get(real_shop, f"/projects/{real_shop.project_id}/credits")).json()["balances"]

    standing = {"credit_type": "api", "balance": 30, "held": 10, "available": 20}
    assert balances[0] == {**standing, "next_expiry": LATER, "frozen": False}
    assert balances[1]["credit_type"] == "download"
    assert total[0] == {**standing, "wallets": 1}


async def test_the_ledger_is_shown_page_by_page(real_shop: Shop, database_url: str) -> None:
    given = await give(real_shop, 50, expires_at=LATER, priority=7)
    await give(real_shop, 5, credit_type="download")
    spent = await spend(real_shop, 20)
    await asyncio.to_thread(catch_up, database_url)

    first = (await get(real_shop, "/credits/user-42/entries?limit=2")).json()
    rest = (await get(real_shop, f"/credits/user-42/entries?limit=2&cursor={first['next_cursor']}")).json()
    only = (await get(real_shop, "/credits/user-42/entries?credit_type=download")).json()

    assert [entry["kind"] for entry in first["entries"]] == ["consumed", "granted"]
    newest = first["entries"][0]
    assert (newest["reference"], newest["amount"], newest["balance"]) == ("report-7", 20, 30)
    assert newest["portions"] == spent.json()["portions"]
    (oldest,) = rest["entries"]
    assert (oldest["entry_id"], oldest["reason"], oldest["priority"]) == (given.json()["entry_id"], "a gift", 7)
    assert oldest["expires_at"] == LATER
    assert rest["next_cursor"] is None
    assert [entry["credit_type"] for entry in only["entries"]] == ["download"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "credit_type=API", "surprise=1"])
async def test_a_ledger_asked_for_wrongly_is_refused(shop: Shop, query: str) -> None:
    assert (await get(shop, f"/credits/user-42/entries?{query}")).status_code == 422


@pytest.mark.parametrize("cursor", ["abc", "WzEsIjEiXQ", "WzIsMV0"])
async def test_a_cursor_that_is_none_is_refused(shop: Shop, cursor: str) -> None:
    answer = await get(shop, f"/credits/user-42/entries?cursor={cursor}")

    assert (answer.status_code, error_of(answer)["code"]) == (400, "cursor_invalid")
