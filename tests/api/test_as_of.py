"""As-of reads, on a real Postgres: what the live API answered at every position, and nothing else, however late it is asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, zip_longest
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.state import Services
from commands.ports import Context, Decided
from domain.streams import Facts
from schemas import times
from tests.api import lives
from tests.api.reading import step_by_step
from tests.api.shop import Shop, error_of, register
from tests.samples import BEGINNING

PAYMENTS = [f"/payments/pay_{number:032x}" for number in (1, 2)]
CREDITS = ["/credits/u1", "/credits/u2", "/credits/nobody"]


async def get(shop: Shop, path: str, **query: Any) -> httpx.Response:
    return await shop.client.get(f"/api/v1{path}", headers=shop.auth, params=query)


async def record(services: Services, shop: Shop, commits: Iterable[Facts]) -> None:
    for facts in commits:
        context = Context(
            command_id=uuid4(),
            fingerprint=b"",
            project_id=shop.project_id,
            actor="key:key_1",
            request_id="req_1",
            causation_id="evt_1",
            now=BEGINNING,
        )
        decided = Decided([facts], {})
        await services["store"].record(context, [facts.stream], lambda _, decided=decided: decided)  # type: ignore[misc]


def side_by_side(*several: Iterable[Facts]) -> Iterable[Facts]:
    """One commit of each, in turns."""
    return (facts for facts in chain.from_iterable(zip_longest(*several)) if facts is not None)


@dataclass(frozen=True)
class Past:
    """What the live API answered while everything up to each position was shown, and nothing more."""

    shop: Shop
    bodies: Mapping[str, Mapping[int, Any]]  # by path and position; None where a payment was not there yet
    numbered_at: Mapping[int, datetime]

    def last_not_later(self, moment: datetime) -> int:
        return max(position for position, at in self.numbered_at.items() if at <= moment)


@pytest.fixture
async def past(real_shop: Shop, real_services: Services, database_url: str) -> Past:
    project_id = real_shop.project_id
    await record(
        real_services,
        real_shop,
        side_by_side(
            *(lives.of_payment(project_id, path.rpartition("/")[2], "u1") for path in PAYMENTS),
            lives.of_wallet(project_id, "u1", "api"),
            lives.of_wallet(project_id, "u1", "images"),
            lives.of_wallet(project_id, "u2", "api"),
        ),
    )
    bodies: dict[str, dict[int, Any]] = {path: {} for path in (*PAYMENTS, *CREDITS)}
    for fact in step_by_step(database_url):
        for path in CREDITS:
            bodies[path][fact.position] = (await get(real_shop, path)).json()
        for path in PAYMENTS:
            answer = await get(real_shop, path)
            is_from_read_model = "ETag" in answer.headers  # What is not shown yet the live API folds from the store.
            bodies[path][fact.position] = answer.json() if is_from_read_model else None
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT position, numbered_at FROM store.positions").fetchall()
    return Past(real_shop, bodies, dict(rows))


async def test_as_of_every_position_the_body_is_the_one_that_the_live_api_gave(past: Past) -> None:
    steps = set()
    for path, bodies in past.bodies.items():
        for position, body in bodies.items():
            answer = await get(past.shop, path, as_of=position)

            if body is None:
                assert error_of(answer)["code"] == "not_there_yet"
            else:
                assert answer.status_code == 200, answer.text
                assert answer.json() == body, (path, position)
                assert answer.headers["As-Of-Position"] == str(position)
                steps.add(answer.text)
    assert len(steps) > 30, "many different states were seen"


async def test_as_of_a_time_it_is_the_last_position_that_was_not_numbered_later(past: Past) -> None:
    moments = [*past.numbered_at.values(), *(at + timedelta(microseconds=1) for at in past.numbered_at.values())]
    for moment in sorted(moments):
        position = past.last_not_later(moment)
        for path in (PAYMENTS[0], CREDITS[0]):
            answer = await get(past.shop, path, as_of=times.to_text(moment))

            body = past.bodies[path][position]
            assert answer.status_code == (404 if body is None else 200)
            if body is not None:
                assert answer.json() == body
                assert answer.headers["As-Of-Position"] == str(position)


async def test_a_version_that_the_caller_has_is_not_sent_again(past: Past) -> None:
    head = max(past.numbered_at)
    path = f"/api/v1{PAYMENTS[0]}?as_of={head}"
    version = (await past.shop.client.get(path, headers=past.shop.auth)).headers["ETag"]

    again = await past.shop.client.get(path, headers={**past.shop.auth, "If-None-Match": version})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["As-Of-Position"] == str(head)


async def test_the_future_and_what_was_before_everything_are_refused(past: Past) -> None:
    head, first = max(past.numbered_at), min(past.numbered_at.values())
    for path in (PAYMENTS[0], CREDITS[0]):
        for future in (head + 1, 2**52, "2199-01-01T00:00:00Z"):
            refused = await get(past.shop, path, as_of=future)
            assert refused.status_code == 422
            assert error_of(refused)["code"] == "as_of_in_future"
            assert f"the log ends at position {head} now" in error_of(refused)["message"]
        for early in (0, times.to_text(first - timedelta(microseconds=1)), "2001-01-01T00:00:00+01:00"):
            refused = await get(past.shop, path, as_of=early)
            assert refused.status_code == 422
            assert error_of(refused)["code"] == "as_of_too_early"
            assert error_of(refused)["param"] == "as_of"


@pytest.mark.parametrize("as_of", ["", "yesterday", "-1", "1.5", "2026-03-01", "2026-03-01T12:00:00", "9" * 20, "١٢"])
async def test_what_is_neither_a_position_nor_a_time_is_refused(shop: Shop, as_of: str) -> None:
    for path in (PAYMENTS[0], CREDITS[0]):
        refused = await get(shop, path, as_of=as_of)

        assert refused.status_code == 422
        assert error_of(refused)["param"] == "as_of"
        assert "Give a position, such as 1234, or a time with its zone" in error_of(refused)["message"]


async def test_to_another_project_there_is_no_payment_at_any_time(past: Past) -> None:
    head = max(past.numbered_at)
    other = await register(past.shop.client, name="Another Shop", domain="another.example.com")

    for shop, path in ((other, PAYMENTS[0]), (past.shop, f"/payments/pay_{'f' * 32}")):
        for position in (1, head):
            refused = await get(shop, path, as_of=position)

            assert refused.status_code == 404
            assert error_of(refused)["code"] == "payment_not_found"
    assert (await get(other, CREDITS[0], as_of=head)).json() == {"user_id": "u1", "balances": []}
