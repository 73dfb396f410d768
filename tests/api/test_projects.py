"""Projects over HTTP."""

import httpx

from api.state import Services
from domain.project import KeyRevoked, ProjectUpdated
from tests.api.conftest import Memory
from tests.api.shop import OPERATOR, PAYMENT, PROJECT, Shop, error_of, register


async def test_a_newcomer_is_told_its_keys_and_what_was_detected(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/projects", json=PROJECT, headers=OPERATOR)

    body = answer.json()
    assert answer.status_code == 201
    assert body["payment_types"] == ["one_time"]
    assert body["features"] == ["credits"]
    assert body["secret_key"].startswith("sk_")
    assert body["publishable_key"].startswith("pk_")
    assert body["webhook_secret"].startswith("whsec_")
    assert body["environment_variables"]["TILLSTREAM_URL"] == "http://api.test"
    assert answer.headers["Consistency-Token"].startswith(f"{body['project_id']}@")


async def test_the_second_call_of_a_newcomer_works_at_once(shop: Shop) -> None:
    answer = await shop.client.get(f"/api/v1/projects/{shop.project_id}", headers=shop.auth)

    assert answer.status_code == 200
    assert answer.json()["success_url"] == "https://shop.example.com/thanks"
    assert shop.secret_key not in answer.text


async def test_a_project_that_is_known_already_is_not_sent_again(shop: Shop) -> None:
    path = f"/api/v1/projects/{shop.project_id}"
    first = await shop.client.get(path, headers=shop.auth)

    again = await shop.client.get(path, headers={**shop.auth, "If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")


async def test_changing_a_project_keeps_its_addresses_out_of_the_facts(shop: Shop, store: Memory) -> None:
    change = {"name": "The Book Shop", "success_url": "https://shop.example.com/done"}
    answer = await shop.client.patch(f"/api/v1/projects/{shop.project_id}", json=change, headers=shop.auth)

    seen = await shop.client.get(f"/api/v1/projects/{shop.project_id}", headers=shop.auth)
    fact = store.events[-1]
    assert answer.status_code == 200
    assert seen.json()["success_url"] == "https://shop.example.com/done"
    assert seen.json()["cancel_url"] == "https://shop.example.com/basket"
    assert isinstance(fact, ProjectUpdated)
    assert fact.changed == ("name", "success_url")
    assert "https" not in repr(fact)


async def test_what_happens_to_spent_credits_is_chosen_and_shown(shop: Shop) -> None:
    place = f"/api/v1/projects/{shop.project_id}"
    before = (await shop.client.get(place, headers=shop.auth)).json()["clawback"]

    answer = await shop.client.patch(place, json={"clawback": "allow_debt"}, headers=shop.auth)

    assert (before, answer.json()["clawback"]) == ("remaining_only", "allow_debt")
    assert (await shop.client.get(place, headers=shop.auth)).json()["clawback"] == "allow_debt"
    refused = await shop.client.patch(place, json={"clawback": "mercy"}, headers=shop.auth)
    assert (refused.status_code, error_of(refused)["param"]) == (422, "clawback")


async def test_keys_are_changed_without_a_gap(shop: Shop, store: Memory) -> None:
    keys = f"/api/v1/projects/{shop.project_id}/keys"
    issued = await shop.client.post(keys, json={"kind": "secret"}, headers=shop.auth)
    newer = Shop(shop.client, {**shop.answer, "secret_key": issued.json()["key"]})
    assert (await newer.pay()).status_code == 201
    assert (await shop.pay()).status_code == 201
    older = next(key for key in shop.answer["keys"] if key["kind"] == "secret")

    revoked = await shop.client.delete(f"{keys}/{older['key_id']}?reason=rotated", headers=newer.auth)

    assert revoked.json() == {"key_id": older["key_id"], "revoked": True}
    assert (await shop.pay()).status_code == 401
    assert (await newer.pay()).status_code == 201
    assert KeyRevoked(project_id=shop.project_id, key_id=older["key_id"], reason="rotated") in store.events


async def test_the_last_secret_key_stays(shop: Shop) -> None:
    key = next(key for key in shop.answer["keys"] if key["kind"] == "secret")

    answer = await shop.client.delete(f"/api/v1/projects/{shop.project_id}/keys/{key['key_id']}", headers=shop.auth)

    assert answer.status_code == 409
    assert error_of(answer)["code"] == "last_secret_key"


async def test_to_another_project_a_project_does_not_exist(shop: Shop) -> None:
    other = await register(shop.client)

    for method in ("GET", "PATCH"):
        answer = await shop.client.request(
            method, f"/api/v1/projects/{shop.project_id}", json={"name": "Mine"}, headers=other.auth
        )
        assert answer.status_code == 404
        assert error_of(answer)["code"] == "project_not_found"


async def test_only_the_operator_registers_projects(shop: Shop) -> None:
    answer = await shop.client.post("/api/v1/projects", json=PROJECT, headers=shop.auth)

    assert answer.status_code == 403
    assert error_of(answer)["type"] == "authentication_error"


async def test_a_registration_that_is_sent_again_shows_the_same_keys(client: httpx.AsyncClient, store: Memory) -> None:
    headers = {**OPERATOR, "Idempotency-Key": "register-1"}
    first = await client.post("/api/v1/projects", json=PROJECT, headers=headers)
    recorded = len(store.rows)

    again = await client.post("/api/v1/projects", json=PROJECT, headers=headers)

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(store.rows) == recorded


async def test_where_a_request_came_from_is_sealed_and_in_no_fact(
    shop: Shop, store: Memory, services: Services
) -> None:
    answer = await shop.client.post(
        "/api/v1/payments", json=PAYMENT, headers={**shop.auth, "User-Agent": "tests/1.0", "Request-Id": "mine-1"}
    )

    owner = next(owner for owner, kind, id in store.sealed if (kind, id) == ("request", "mine-1"))
    opened = await services["vault"].open(owner, "request", "mine-1")
    assert answer.headers["Request-Id"] == "mine-1"
    assert owner.startswith("cus_")
    assert opened == {"ip": "203.0.113.7", "user_agent": "tests/1.0"}
    assert all(b"203.0.113.7" not in row.payload and b"tests/1.0" not in row.payload for row in store.rows)
