"""Commands on credits: what they answer, what they record, and that each happens once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from commands.credits import (
    LOOK_AGAIN_AFTER,
    Account,
    CaptureHold,
    ConsumeCredits,
    GrantCredits,
    HoldCredits,
    ReleaseHold,
    capture_hold,
    consume_credits,
    expire_due,
    grant_credits,
    hold_credits,
    release_hold,
)
from commands.ports import Context, Decided, Receipt, States, StoreUnavailable
from commands.store.memory import MemoryStore
from domain.errors import Refused
from domain.streams import Stream
from domain.wallet import holds, purchase
from domain.wallet.errors import ExpiryInThePast, HoldNotOpen, HoldUnknown, InsufficientCredits
from schemas.names import name_of
from tests.commands import payments

ACCOUNT = Account(project_id="prj_shop", user_id="user-1", credit_type="api")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Till:
    """A store with one customer's credits, and commands on them."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now = NOW

    def context(self) -> Context:
        return replace(payments.context(), now=self.now)

    async def buy(self, amount: int) -> None:
        asked = self.context()

        def decide(states: States) -> Decided:
            facts = purchase(
                states[ACCOUNT.stream],
                project_id="prj_shop",
                user_id="user-1",
                credit_type="api",
                amount=amount,
                payment_id=f"pay_{asked.command_id.hex}",
                product_id="pack",
                now=self.now,
            )
            return Decided([ACCOUNT.stream.facts(*facts)], {})

        await self.store.record(asked, [ACCOUNT.stream], decide)

    async def give(self, amount: int, asked: Context | None = None, **changes: Any) -> Receipt:
        usual: dict[str, Any] = {"amount": amount, "reason": "a gift", "priority": 100, "expires_at": None}
        return await grant_credits(
            GrantCredits(account=ACCOUNT, **{**usual, **changes}), asked or self.context(), self.store
        )

    async def spend(self, amount: int, asked: Context | None = None) -> Receipt:
        command = ConsumeCredits(account=ACCOUNT, amount=amount, reference="job-1")
        return await consume_credits(command, asked or self.context(), self.store)

    async def hold(self, amount: int, asked: Context | None = None) -> Receipt:
        command = HoldCredits(account=ACCOUNT, amount=amount, reference="job-1", expires_at=NOW + HOUR)
        return await hold_credits(command, asked or self.context(), self.store)

    async def capture(self, hold_id: str, amount: int | None = None, project_id: str = "prj_shop") -> Receipt:
        command = CaptureHold(project_id=project_id, hold_id=hold_id, amount=amount)
        return await capture_hold(command, self.context(), self.store)

    async def release(self, hold_id: str, project_id: str = "prj_shop") -> Receipt:
        return await release_hold(ReleaseHold(project_id=project_id, hold_id=hold_id), self.context(), self.store)

    async def expire(self, limit: int = 1_000) -> dict[str, int]:
        return dict(await expire_due(self.now, "system:reconciler", self.store, limit))

    def told(self) -> Sequence[str]:
        return [name_of(event) for event in self.store.events]


@pytest.fixture
def till() -> Till:
    return Till()


def standing(balance: int, held: int = 0) -> dict[str, Any]:
    return {
        "user_id": "user-1",
        "credit_type": "api",
        "balance": balance,
        "held": held,
        "available": balance - held,
    }


async def test_a_grant_answers_with_its_entry_and_how_the_wallet_stands(till: Till) -> None:
    receipt = await till.give(50, expires_at=NOW + HOUR)

    assert receipt.answer == {
        "entry_id": receipt.answer["entry_id"],
        "amount": 50,
        "priority": 100,
        "expires_at": "2026-03-01T13:00:00.000000Z",
        **standing(50),
    }
    assert till.told() == ["credits.granted"]


async def test_a_spend_answers_with_the_payments_that_paid_for_it(till: Till) -> None:
    await till.buy(30)
    await till.give(50)

    receipt = await till.spend(40)

    bought, given = receipt.answer["portions"]
    assert bought["payment_id"].startswith("pay_")
    assert (bought["amount"], bought["remaining"]) == (30, 0)
    assert (given["payment_id"], given["amount"], given["remaining"]) == (None, 10, 40)
    assert {name: receipt.answer[name] for name in standing(40)} == standing(40)
    assert list(receipt.versions) == [ACCOUNT.stream.id]


async def test_a_retry_spends_nothing_and_gets_the_same_answer(till: Till) -> None:
    await till.give(50)
    asked = till.context()

    first, again = await till.spend(40, asked), await till.spend(40, asked)

    assert again.answer == first.answer
    assert (first.replayed, again.replayed) == (False, True)
    assert till.told() == ["credits.granted", "credits.consumed"]


async def test_a_refusal_stands_though_there_is_enough_later(till: Till) -> None:
    asked = till.context()
    with pytest.raises(InsufficientCredits):
        await till.spend(1, asked)
    await till.give(50)

    with pytest.raises(Refused) as refused:
        await till.spend(1, asked)
    assert (refused.value.code, refused.value.details["available"]) == ("insufficient_credits", 0)
    assert (await till.spend(1)).answer["balance"] == 49


async def test_a_grant_that_is_over_already_is_refused(till: Till) -> None:
    with pytest.raises(ExpiryInThePast):
        await till.give(50, expires_at=NOW)
    assert till.told() == []


async def test_a_hold_is_captured_in_part_and_the_rest_is_free(till: Till) -> None:
    await till.give(50)
    held = await till.hold(30)

    captured = await till.capture(held.answer["hold_id"], 10)

    assert {name: held.answer[name] for name in standing(50, 30)} == standing(50, 30)
    assert held.answer["expires_at"] == "2026-03-01T13:00:00.000000Z"
    (portion,) = captured.answer["portions"]
    assert (captured.answer["captured"], captured.answer["released"], portion["amount"]) == (10, 20, 10)
    assert {name: captured.answer[name] for name in standing(40)} == standing(40)


async def test_a_hold_asked_for_again_sets_nothing_aside_again(till: Till) -> None:
    await till.give(50)
    asked = till.context()

    assert (await till.hold(30, asked)).answer == (await till.hold(30, asked)).answer
    assert till.told() == ["credits.granted", "credits.held"]


async def test_a_hold_that_was_released_cannot_be_captured(till: Till) -> None:
    await till.give(50)
    hold_id = (await till.hold(30)).answer["hold_id"]

    released = await till.release(hold_id)

    assert (released.answer["captured"], released.answer["released"], released.answer["available"]) == (0, 30, 50)
    with pytest.raises(HoldNotOpen):
        await till.capture(hold_id)


async def test_to_another_project_a_hold_does_not_exist(till: Till) -> None:
    await till.give(50)
    hold_id = (await till.hold(30)).answer["hold_id"]

    for end in (till.capture, till.release):
        with pytest.raises(HoldUnknown):
            await end(hold_id, project_id="prj_other")
        with pytest.raises(HoldUnknown):
            await end(holds.hold_id(f"wal_{uuid4().hex}", "nobody"))
    assert till.told() == ["credits.granted", "credits.held"]


async def test_what_time_has_ended_is_recorded_once_it_is_due(till: Till) -> None:
    await till.give(50, expires_at=NOW + 2 * HOUR)
    await till.hold(30)

    assert await till.expire() == {}
    till.now = NOW + HOUR
    assert await till.expire() == {"expired": 1}
    till.now = NOW + 2 * HOUR
    assert await till.expire() == {"expired": 1}
    assert await till.expire() == {}

    assert till.told() == ["credits.granted", "credits.held", "credits.hold_released", "credits.expired"]
    assert till.store.deadlines == set()


async def test_what_ended_before_its_time_is_no_concern_any_more(till: Till) -> None:
    await till.give(50, expires_at=NOW + HOUR)
    hold_id = (await till.hold(30)).answer["hold_id"]
    await till.capture(hold_id)
    await till.spend(20)
    till.now = NOW + HOUR

    assert await till.expire() == {"nothing_due": 1}
    assert till.told()[-1] == "credits.consumed"


async def test_many_deadlines_are_met_some_at_a_time(till: Till) -> None:
    for number in range(5):
        await till.give(1, expires_at=NOW + HOUR + timedelta(minutes=number))
    till.now = NOW + 2 * HOUR

    outcomes = [await till.expire(limit=2) for _ in range(4)]

    assert outcomes == [{"expired": 1}, {"nothing_due": 1}, {"nothing_due": 1}, {}]
    assert till.told().count("credits.expired") == 5


async def test_two_who_record_an_expiry_record_it_once(till: Till) -> None:
    await till.give(50, expires_at=NOW + HOUR)
    till.now = NOW + HOUR
    deadlines = set(till.store.deadlines)
    await till.expire()
    till.store.deadlines = deadlines

    assert await till.expire() == {"nothing_due": 1}
    assert till.told() == ["credits.granted", "credits.expired"]


class Broken(MemoryStore):
    """A store in which one stream cannot be read."""

    broken = ACCOUNT.stream.id

    async def load(self, stream: Stream[Any, Any]) -> Any:
        if stream.id == self.broken:
            raise ValueError("a fact that cannot be read")
        return await super().load(stream)


async def test_one_wallet_that_cannot_be_read_holds_up_no_other(till: Till) -> None:
    till.store = broken = Broken()
    other = replace(ACCOUNT, user_id="user-2")
    for account in (ACCOUNT, other):
        gift = GrantCredits(account=account, amount=5, reason="a gift", priority=1, expires_at=NOW + HOUR)
        await grant_credits(gift, till.context(), till.store)
    till.now = NOW + HOUR

    assert await till.expire() == {"failed": 1, "expired": 1}
    assert await till.expire() == {}, "not each time that anybody looks"
    assert [deadline.stream_id for deadline in till.store.deadlines] == [ACCOUNT.stream.id]
    till.now += LOOK_AGAIN_AFTER
    broken.broken = ""
    assert await till.expire() == {"expired": 1}
    assert till.store.deadlines == set()


async def test_without_a_store_nothing_is_said_to_have_failed(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    await till.give(5, expires_at=NOW + HOUR)
    till.now = NOW + HOUR

    async def away(_: Any) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(till.store, "load", away)
    with pytest.raises(StoreUnavailable):
        await till.expire()
    assert len(till.store.deadlines) == 1
