"""Events that no webhook brought, fetched from the gateway's list: from where, how often, and past what."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from commands import missed
from commands.missed import LISTED_FOR, OVERLAP, PATIENCE, Mark, PostgresMarks, fetch_missed
from commands.notices import PostgresNotices, sweep
from commands.open_requests import PostgresOpenRequests, RequestKind
from commands.ports import Context
from commands.store.postgres import PostgresStore
from domain.payment import Status
from gateways.stripe import webhooks
from gateways.stripe.client import StripeGateway
from gateways.stripe.translation.fields import Plain, ShapeUnknown
from runtime import postgres
from tests.commands.payments import Desk, context, order
from tests.sandbox.stripe.lookalike import LookAlike
from vault.memory import MemoryVault

CARD = "4242424242424242"


@dataclass(frozen=True)
class Post:
    """A desk that no webhook ever reaches."""

    desk: Desk
    lookalike: LookAlike
    notices: PostgresNotices
    marks: PostgresMarks

    async def fetch(self, later: timedelta = timedelta()) -> Mapping[str, int]:
        desk = self.desk
        now = datetime.now(UTC) + PATIENCE + timedelta(seconds=1) + later
        return await fetch_missed(
            desk.gateway, now, desk.store, desk.vault, desk.open_requests, self.notices, self.marks
        )

    async def sell(self, user_id: str = "user-1") -> Context:
        asked = context()
        opened = await self.desk.start(asked, order(user_id=user_id, product_id="ebook"))
        await self.lookalike.control(f"checkout/{opened.answer['checkout_session_id']}/pay", card_number=CARD)
        return asked

    async def statuses(self, *asked: Context) -> list[Status]:
        return [(await self.desk.payment(one)).status for one in asked]

    async def mark(self) -> Mark:
        mark = await self.marks.get("stripe")
        assert mark is not None
        return mark


@pytest.fixture
async def post(database_url: str, own_gateway: StripeGateway, own_lookalike: LookAlike) -> AsyncIterator[Post]:
    async with postgres.pool(database_url, name="test", size=4) as pool:
        store = PostgresStore(pool)
        desk = Desk(own_gateway, store, MemoryVault(), PostgresOpenRequests(pool))
        yield Post(desk, own_lookalike, PostgresNotices(pool), PostgresMarks(pool))
        await store.close()


async def test_a_gateway_that_was_never_asked_for_anything_is_not_asked_for_its_events(post: Post) -> None:
    await post.lookalike.charge()

    assert await post.fetch() == {}
    assert await post.marks.get("stripe") is None


async def test_what_happened_since_the_first_request_is_fetched_once(post: Post) -> None:
    paid = await post.sell()

    assert await post.fetch() == {"applied": 1}
    assert await post.statuses(paid) == [Status.SUCCEEDED]
    assert await post.fetch() == {}
    again = await post.sell("user-2")
    assert await post.fetch() == {"applied": 1}
    assert await post.statuses(again) == [Status.SUCCEEDED]


async def test_what_a_webhook_may_still_bring_is_left_to_it(post: Post) -> None:
    paid = await post.sell()

    assert await post.fetch(-PATIENCE) == {}
    assert await post.statuses(paid) == [Status.CHECKOUT_OPENED]
    assert await post.fetch() == {"applied": 1}


async def test_a_list_that_breaks_off_is_taken_up_where_it_broke(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed, "AT_ONCE", 1)
    monkeypatch.setattr("gateways.stripe.client.PAGE", 4)  # One payment's events, as of one call.
    asked = [await post.sell(f"user-{number}") for number in range(3)]
    pages = len(await post.lookalike.events("")) // 4 + 1
    await post.lookalike.control("faults", kind="server_error", path="/v1/events", times=9, spared=pages + 1)

    outcomes = await post.fetch()

    assert outcomes["gateway_unavailable"] == 1
    assert 0 < outcomes["applied"] < 3
    until = (await post.mark()).until
    await post.lookalike.http.delete("/sandbox/faults")
    assert (await post.fetch())["applied"] == 3 - outcomes["applied"]
    assert await post.statuses(*asked) == [Status.SUCCEEDED] * 3
    assert (await post.mark()).until > until


async def test_an_event_that_cannot_be_applied_stops_none_behind_it_and_is_swept(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shape that this version cannot read, then a payment of another service on the same account, then ours."""
    foreign = await post.lookalike.open(client_reference_id="pay_of_another_service")
    paid, odd = await post.sell(), await post.sell("user-2")
    await post.lookalike.control(f"checkout/{foreign.id}/pay", card_number=CARD)
    last = await post.sell("user-3")
    odd_id = (await post.desk.payment(odd)).payment_id
    completed = webhooks._MEANINGS["checkout.session.completed"]

    def puzzled(session: Plain) -> object:
        if session["client_reference_id"] == odd_id:
            raise ShapeUnknown(session, "payment_status")
        return completed(session)

    with monkeypatch.context() as patch:
        patch.setitem(webhooks._MEANINGS, "checkout.session.completed", puzzled)
        assert await post.fetch() == {"applied": 2, "waits": 2}
    assert await post.statuses(paid, odd, last) == [Status.SUCCEEDED, Status.CHECKOUT_OPENED, Status.SUCCEEDED]

    desk, now = post.desk, datetime.now(UTC) + timedelta(minutes=3)
    assert (await sweep(desk.gateway, now, desk.store, desk.vault, desk.open_requests, post.notices))["applied"] == 1
    assert await post.statuses(odd) == [Status.SUCCEEDED]


async def test_after_more_than_thirty_days_it_is_said_that_some_are_gone(post: Post) -> None:
    paid = await post.sell()
    long_ago = datetime.now(UTC) - LISTED_FOR - timedelta(days=1)
    await post.marks.put("stripe", Mark(long_ago, long_ago))

    assert await post.fetch() == {"gone": 1, "applied": 1}
    assert await post.statuses(paid) == [Status.SUCCEEDED]
    assert await post.fetch() == {}


async def test_a_first_run_takes_what_is_listed_and_misses_nothing_else(post: Post) -> None:
    """Of a service that has run for long without a reconciler that fetches: its webhooks came as they came."""
    paid = await post.sell()
    kept = await post.desk.open_requests.get(RequestKind.CHECKOUT, (await post.desk.payment(paid)).payment_id)
    assert kept is not None
    long_ago = kept.created_at - LISTED_FOR - timedelta(days=1)
    await post.desk.open_requests.add(replace(kept, id="pay_of_long_ago", created_at=long_ago), long_ago)

    assert await post.fetch() == {"applied": 1}


async def test_an_account_where_nothing_happens_is_not_walked_through_from_its_last_event_on(post: Post) -> None:
    await post.sell()
    await post.fetch()

    await post.fetch(timedelta(days=20))
    assert await post.fetch(timedelta(days=45)) == {}, "nothing is gone: nothing was there"
    assert (await post.mark()).until > datetime.now(UTC) + timedelta(days=45) - OVERLAP
