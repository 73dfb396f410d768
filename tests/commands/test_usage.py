"""What customers use is recorded without a gateway, and counted there once, whatever goes wrong between."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands import usage
from commands.asking import SAME_KEY_FOR
from commands.ports import Context, Receipt
from commands.usage import ASK_AGAIN_AFTER, RecordUsage, record_usage, report_due
from consumers import open_usage
from domain.usage import USAGE, Status, Usage
from domain.usage.errors import IdentifierReused, NotSubscribed, ProductNotMetered, UsedTooLongAgo
from gateways.errors import GatewayUnavailable
from gateways.stripe import paced
from gateways.stripe.client import StripeGateway
from tests.commands.payments import context
from tests.commands.subscriptions import SUBSCRIBING_SHOP, Service, Subscribed, subscribe
from tests.sandbox.stripe.lookalike import API_KEY, LookAlike
from vault.memory import MemoryVault

METER_EVENTS = "/v1/billing/meter_events"
SHORTLY = timedelta(seconds=1)


@dataclass(frozen=True)
class Counter:
    """One customer's subscription to something metered, and what is used of it."""

    subscribed: Subscribed
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def service(self) -> Service:
        return self.subscribed.service

    async def use(self, quantity: int = 250, asked: Context | None = None, **changes: Any) -> Receipt:
        usual = RecordUsage(
            project=SUBSCRIBING_SHOP,
            user_id="user-1",
            product_id="calls",
            quantity=quantity,
            used_at=None,
            identifier=None,
        )
        return await record_usage(replace(usual, **changes), asked or context(), self.service.store)

    async def report(self, after: timedelta = SHORTLY, gateway: StripeGateway | None = None) -> Mapping[str, int]:
        service, now = self.service, datetime.now(UTC) + after
        found = await report_due(
            now, "system:reconciler", service.store, gateway or service.gateway, service.open_requests
        )
        return dict(found)

    async def resolve(self, after: timedelta) -> list[str]:
        """As the reconciler does with what is unclear."""
        service, now = self.service, datetime.now(UTC) + after
        ended = []
        for kept in await service.open_requests.due(now, 100):
            if kept.kind == "usage":
                at = kept.context(now, "system:reconciler")
                parts = (service.store, service.gateway, MemoryVault(), service.open_requests)
                ended.append(await open_usage.resolve(kept, at, *parts))
                await service.open_requests.close(kept.kind, kept.id, now)
        return ended

    async def counted(self) -> int:
        """What the meter has come to for this customer."""
        customer = (await self.subscribed.lookalike.subscription(self.subscribed.gateway_subscription_id)).customer
        start = int((self.began - timedelta(days=40)).timestamp())
        found = await self.subscribed.lookalike.client.v1.billing.meters.event_summaries.list_async(
            "mtr_calls",
            {"customer": str(customer), "start_time": start - start % 60, "end_time": start - start % 60 + 90 * 86400},
        )
        return int(sum(summary.aggregated_value for summary in found.data))

    async def state(self, receipt: Receipt) -> Usage:
        found = await self.service.store.load(USAGE.at(str(receipt.answer["usage_id"])))
        assert found is not None
        return found


@pytest.fixture
async def counter(gateway: StripeGateway, lookalike: LookAlike) -> Counter:
    subscribed = await subscribe(gateway, lookalike, product_id="calls")
    await subscribed.catch_up()
    return Counter(subscribed)


async def test_use_is_recorded_without_asking_the_gateway_and_counted_once(
    counter: Counter, lookalike: LookAlike
) -> None:
    await lookalike.control("faults", kind="server_error", times=99)
    recorded = await counter.use(250, identifier="job-7")
    await lookalike.http.delete("/sandbox/faults")

    assert recorded.answer["status"] == "recorded"
    assert await counter.report() == {"reported": 1}
    assert await counter.report() == {}
    again = await counter.use(250, identifier="job-7")
    assert (again.answer["status"], again.answer["usage_id"]) == ("reported", recorded.answer["usage_id"])
    assert await counter.report() == {}
    assert await counter.counted() == 250
    assert counter.service.told[-2:] == ["usage.recorded", "usage.reported"]


async def test_many_uses_are_reported_at_one_go(counter: Counter) -> None:
    for number in range(1, 61):
        await counter.use(number)

    assert await counter.report() == {"reported": 60}
    assert await counter.counted() == 60 * 61 // 2


async def test_one_command_and_one_identifier_stand_for_one_use(counter: Counter) -> None:
    asked = context()
    first, again = await counter.use(7, asked), await counter.use(7, asked)
    assert (again.replayed, again.answer) == (True, first.answer)

    await counter.use(7, identifier="job-7")
    for changed in ({"quantity": 8}, {"used_at": counter.began - timedelta(hours=1)}):
        with pytest.raises(IdentifierReused):
            await counter.use(**{"quantity": 7, "identifier": "job-7", **changed})  # type: ignore[arg-type]
    assert await counter.report() == {"reported": 2}


async def test_what_was_recorded_stays_so_once_its_subscription_has_ended(counter: Counter) -> None:
    asked = context()
    first = [await counter.use(7, asked), await counter.use(8, identifier="job-8")]
    await counter.subscribed.lookalike.client.v1.subscriptions.cancel_async(counter.subscribed.gateway_subscription_id)
    await counter.subscribed.catch_up()

    again = [await counter.use(7, asked), await counter.use(8, identifier="job-8")]

    assert [receipt.answer for receipt in again] == [receipt.answer for receipt in first]
    with pytest.raises(NotSubscribed):
        await counter.use(9)
    with pytest.raises(IdentifierReused):
        await counter.use(9, identifier="job-8")


async def test_what_cannot_be_billed_is_refused(counter: Counter) -> None:
    with pytest.raises(ProductNotMetered):
        await counter.use(product_id="pro")
    with pytest.raises(NotSubscribed):
        await counter.use(user_id="user-2")
    with pytest.raises(UsedTooLongAgo):
        await counter.use(used_at=counter.began - timedelta(days=36))
    assert await counter.report() == {}


async def test_what_was_used_before_is_counted_at_its_own_time(counter: Counter) -> None:
    recorded = await counter.use(3, used_at=counter.began - timedelta(days=34))

    assert await counter.report() == {"reported": 1}
    assert (await counter.state(recorded)).used_at == (counter.began - timedelta(days=34)).replace(microsecond=0)


async def test_a_duplicate_that_stripe_rejects_counts_as_reported(counter: Counter, lookalike: LookAlike) -> None:
    """Counted, but the answer was lost: asked again, Stripe refuses the identifier."""
    recorded = await counter.use(5)
    await lookalike.control("faults", kind="server_error_after", path=METER_EVENTS)
    await lookalike.control("faults", kind="server_error", path=METER_EVENTS, times=2)
    assert await counter.report() == {"gateway_unavailable": 1}
    assert (await counter.state(recorded)).status is Status.RECORDED
    await lookalike.http.delete("/sandbox/faults")

    assert await counter.resolve(ASK_AGAIN_AFTER + SHORTLY) == ["ended"]

    assert (await counter.state(recorded)).status is Status.REPORTED
    assert await counter.counted() == 5


async def test_while_the_gateway_is_away_one_use_alone_becomes_unclear(counter: Counter) -> None:
    nowhere = StripeGateway(API_KEY, [], "http://127.0.0.1:1")
    for number in range(10):
        await counter.use(number)

    assert await counter.report(gateway=nowhere) == {"gateway_unavailable": 1}
    await nowhere.close()

    assert await counter.report() == {"reported": 9}
    assert await counter.resolve(ASK_AGAIN_AFTER + SHORTLY) == ["ended"]
    assert await counter.counted() == 45


async def test_what_is_unclear_for_a_day_is_not_asked_for_again_lest_it_count_twice(
    counter: Counter, lookalike: LookAlike
) -> None:
    recorded = await counter.use(5)
    await lookalike.control("faults", kind="reset_after", path=METER_EVENTS, times=3)
    await counter.report()

    assert await counter.resolve(SAME_KEY_FOR + timedelta(minutes=5)) == ["ended"]

    state = await counter.state(recorded)
    assert (state.status, state.failure_code) == (Status.REJECTED, "unconfirmed")
    assert await counter.counted() == 5, "as it happens"


async def test_what_nobody_reported_for_a_day_is_reported_all_the_same(counter: Counter) -> None:
    await counter.use(5)

    assert await counter.report(timedelta(days=2)) == {"reported": 1}
    assert await counter.counted() == 5


@pytest.mark.parametrize(("later", "outcome"), [(ASK_AGAIN_AFTER, "reported"), (SAME_KEY_FOR, "rejected")])
async def test_what_somebody_died_over_is_taken_up_from_when_they_asked(
    counter: Counter, lookalike: LookAlike, later: timedelta, outcome: str
) -> None:
    await counter.use(5)
    await lookalike.control("faults", kind="hang_after", path=METER_EVENTS, seconds=0.5)
    dying = asyncio.create_task(counter.report())
    await asyncio.sleep(0.3)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert await counter.report(timedelta(seconds=30)) == {}, "it may still be at work"

    assert await counter.report(later + timedelta(minutes=5)) == {outcome: 1}
    assert await counter.counted() == 5


async def test_what_the_gateway_refuses_is_rejected_with_its_reason(counter: Counter, lookalike: LookAlike) -> None:
    recorded = await counter.use(5)
    await lookalike.client.v1.billing.meters.deactivate_async("mtr_calls")
    try:
        assert await counter.report() == {"rejected": 1}
    finally:
        await lookalike.client.v1.billing.meters.reactivate_async("mtr_calls")

    state = await counter.state(recorded)
    assert state.status is Status.REJECTED
    assert "No active meter" in str(state.failure_reason)


async def test_where_there_is_no_room_at_the_gateway_nothing_becomes_unclear(
    counter: Counter, lookalike: LookAlike, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced, "PAUSES_SECONDS", (0.01,))
    await counter.use(5)
    await lookalike.control("faults", kind="rate_limit", path=METER_EVENTS, times=2)

    assert await counter.report() == {"gateway_busy": 1}
    assert await counter.report(timedelta(days=2)) == {"reported": 1}
    assert await counter.counted() == 5


async def test_one_use_that_cannot_be_told_of_does_not_hold_up_the_others(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = await counter.use(1)
    await counter.use(2)
    report_usage = usage.report_usage

    async def puzzled(one: Usage, *rest: Any) -> str:
        if one.recorded.usage_id == odd.answer["usage_id"]:
            raise ValueError("odd")
        return await report_usage(one, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(usage, "report_usage", puzzled)
        assert await counter.report() == {"failed": 1, "reported": 1}
    assert await counter.resolve(timedelta(hours=1)) == ["ended"]
    assert await counter.counted() == 3


async def test_what_stays_unclear_is_said_to_the_reconciler(counter: Counter, lookalike: LookAlike) -> None:
    await counter.use(5)
    await lookalike.control("faults", kind="server_error", path=METER_EVENTS, times=9)
    await counter.report()

    with pytest.raises(GatewayUnavailable):
        await counter.resolve(ASK_AGAIN_AFTER + SHORTLY)
