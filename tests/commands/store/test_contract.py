"""What both stores promise: the one in Postgres and its twin in memory."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from commands.ports import Deadline, Decided, EventStore, IdempotencyKeyReused, Receipt, States
from commands.refusals import refusing
from domain.errors import DomainError, ErrorType, Refused
from tests.commands.store.shopping import (
    NOW,
    Wallets,
    context,
    initiated,
    opened,
    pay_in,
    payment,
    purchased,
    succeeded,
    wallet,
)


class Refusal(DomainError):
    """A refusal with everything that one can have."""

    type = "insufficient_funds"
    code = "too_poor"

    def __init__(self) -> None:
        super().__init__("You have 3, which is less than 5.", param="amount", details={"balance": 3, "note": None})


def refuse(_: States) -> Decided:
    raise Refusal


def must_not_run(_: States) -> Decided:
    raise AssertionError("a recorded command was decided again")


async def test_where_nothing_happened_there_is_no_state(store: EventStore) -> None:
    assert await store.load(wallet()) is None


async def test_what_is_recorded_is_there_at_once(store: EventStore) -> None:
    stream = payment()
    facts = initiated(stream), opened(stream, "cs_1")

    receipt = await store.record(context(), [stream], lambda _: Decided([stream.facts(*facts)], {"status": "opened"}))

    assert receipt == Receipt({"status": "opened"}, {stream.id: 2}, replayed=False)
    state = await store.load(stream)
    assert state == stream.kind.fold(facts)
    assert state is not None
    assert state.metadata == {"order": "7", "note": "äöü €"}


async def test_a_decision_sees_what_was_recorded_before(store: EventStore) -> None:
    stream = wallet()
    await store.record(context(), [stream], pay_in(stream, amount=7))

    receipt = await store.record(context(), [stream], pay_in(stream, amount=5))

    assert receipt == Receipt({"balances": {stream.id: 12}}, {stream.id: 2}, replayed=False)


async def test_one_commit_may_span_streams_of_several_kinds(store: EventStore) -> None:
    paid, credited, untouched = payment(), wallet(), wallet()
    await store.record(context(), [untouched], pay_in(untouched))

    def decide(states: States) -> Decided:
        assert states[paid] is None
        assert states[untouched] is not None
        return Decided(
            [paid.facts(initiated(paid)), *pay_in(credited)(states).facts, paid.facts(opened(paid, "cs_2"))], {}
        )

    receipt = await store.record(context(), [paid, credited, untouched], decide)

    assert receipt.versions == {paid.id: 2, credited.id: 1, untouched.id: 1}
    assert (await store.load(credited)) is not None


async def test_commands_at_the_same_moment_are_decided_one_after_the_other(store: EventStore) -> None:
    one, other = wallet(), wallet()

    first, both, refused, last = await asyncio.gather(
        store.record(context(), [one], pay_in(one)),
        store.record(context(), [one, other], pay_in(one, other)),
        store.record(context(), [other], refuse),
        store.record(context(), [other], pay_in(other)),
        return_exceptions=True,
    )

    assert isinstance(refused, Refusal)
    assert first == Receipt({"balances": {one.id: 5}}, {one.id: 1}, replayed=False)
    assert both == Receipt({"balances": {one.id: 10, other.id: 5}}, {one.id: 2, other.id: 1}, replayed=False)
    assert last == Receipt({"balances": {other.id: 10}}, {other.id: 2}, replayed=False)


async def test_what_cannot_be_folded_is_not_recorded(store: EventStore) -> None:
    stream = payment()

    with pytest.raises(AssertionError, match="starts with"):
        await store.record(context(), [stream], lambda _: Decided([stream.facts(opened(stream, "cs_1"))], {}))

    assert await store.load(stream) is None


async def test_a_command_that_changes_nothing_tells_the_versions_it_saw(store: EventStore) -> None:
    stream, empty = wallet(), wallet()
    await store.record(context(), [stream], pay_in(stream))

    receipt = await store.record(context(), [stream, empty], lambda _: Decided([stream.facts()], {"changed": False}))

    assert receipt == Receipt({"changed": False}, {stream.id: 1}, replayed=False)


async def test_a_retry_gets_the_first_answer_and_decides_nothing(store: EventStore) -> None:
    stream, asked = wallet(), context()
    first = await store.record(asked, [stream], pay_in(stream, amount=5))
    await store.record(context(), [stream], pay_in(stream, amount=1))

    again = await store.record(asked, [stream], must_not_run)

    assert again == Receipt(first.answer, first.versions, replayed=True)
    assert await store.receipt(asked) == again


async def test_an_answer_is_given_again_to_the_letter(store: EventStore) -> None:
    asked = context()
    answer: dict[str, Any] = {"zz": 1, "a": [{"long_name": None, "b": True}], "ü": "€", "amount": 2**53 - 1, "": ""}

    first = await store.record(asked, [], lambda _: Decided([], answer))
    again = await store.record(asked, [], must_not_run)

    assert repr(again.answer) == repr(first.answer) == repr(answer)


async def test_the_versions_of_a_commit_keep_their_order(store: EventStore) -> None:
    streams, asked = [wallet() for _ in range(5)], context()

    first = await store.record(asked, streams, pay_in(*streams))
    again = await store.record(asked, streams, must_not_run)

    assert list(again.versions) == list(first.versions) == [stream.id for stream in streams]


async def test_another_request_under_the_same_id_is_refused(store: EventStore) -> None:
    stream, command_id = wallet(), uuid4()
    await store.record(context(command_id, fingerprint=b"one"), [stream], pay_in(stream))

    with pytest.raises(IdempotencyKeyReused):
        await store.record(context(command_id, fingerprint=b"other"), [stream], must_not_run)
    with pytest.raises(IdempotencyKeyReused):
        await store.receipt(context(command_id, fingerprint=b"other"))


async def test_a_refusal_is_recorded_and_raised_again_in_the_same_words(store: EventStore) -> None:
    stream, asked = wallet(), context()
    with pytest.raises(Refusal) as first:
        await store.record(asked, [stream], refuse)

    for ask in (store.record(asked, [stream], must_not_run), store.receipt(asked)):
        with pytest.raises(Refused, match=re.escape("You have 3, which is less than 5.")) as again:
            await ask
        assert again.value.replayed
        assert (again.value.type, again.value.code) == ("insufficient_funds", "too_poor")
        assert (again.value.param, again.value.details) == ("amount", {"balance": 3, "note": None})

    assert not first.value.replayed
    assert await store.load(stream) is None


async def test_a_refusal_too_belongs_to_its_request(store: EventStore) -> None:
    command_id = uuid4()
    with pytest.raises(Refusal):
        await store.record(context(command_id, fingerprint=b"one"), [], refuse)

    with pytest.raises(IdempotencyKeyReused):
        await store.record(context(command_id, fingerprint=b"other"), [], must_not_run)


async def test_a_fault_in_a_decision_records_nothing(store: EventStore) -> None:
    stream, asked = wallet(), context()

    with pytest.raises(ZeroDivisionError):
        await store.record(asked, [stream], lambda _: Decided([], {"half": 1 // 0}))

    assert await store.receipt(asked) is None


class Away(DomainError):
    """What was needed for the decision did not answer."""


@pytest.mark.parametrize("type", ["system_error", "rate_limited"])
async def test_what_is_refused_for_the_moment_only_is_decided_at_the_next_try(
    store: EventStore, type: ErrorType
) -> None:
    stream, asked = wallet(), context()
    away = Away("Come back in a moment.")
    away.type = type

    with pytest.raises(Away):
        await store.record(asked, [], refusing(away))

    assert await store.receipt(asked) is None
    assert (await store.record(asked, [stream], pay_in(stream))).versions == {stream.id: 1}


async def test_an_unknown_command_has_no_receipt(store: EventStore) -> None:
    assert await store.receipt(context()) is None


async def test_a_decision_can_neither_read_nor_write_what_it_was_not_promised(store: EventStore) -> None:
    promised, other = wallet(), wallet()

    with pytest.raises(AssertionError, match="not promised"):
        await store.record(context(), [promised], lambda states: Decided([], {"other": states[other] is None}))
    with pytest.raises(AssertionError, match="not promised"):
        await store.record(context(), [promised], lambda _: Decided([other.facts(purchased(other, 5, 5))], {}))

    assert await store.load(other) is None


async def test_the_gateways_ids_lead_to_the_payment(store: EventStore) -> None:
    stream = payment()
    facts = stream.facts(initiated(stream), opened(stream, "cs_9"), succeeded(stream, "cs_9", "pi_9"))
    await store.record(context(), [stream], lambda _: Decided([facts], {}))

    assert await store.find("checkout", "cs_9") == stream.id
    assert await store.find("gateway_payment", "pi_9") == stream.id
    assert await store.find("checkout", "cs_8") is None
    assert await store.find("gateway_payment", "cs_9") is None


async def test_an_outside_id_stays_with_the_stream_that_named_it_first(store: EventStore) -> None:
    first, second = payment(), payment()
    for stream in (first, second):
        decided = Decided([stream.facts(initiated(stream), opened(stream, "cs_shared"))], {})
        await store.record(context(), [stream], partial(lambda decided, _: decided, decided))

    assert await store.find("checkout", "cs_shared") == first.id


async def test_one_process_at_a_time_holds_the_lease_of_a_command(store: EventStore) -> None:
    asked = context()
    await store.record(asked, [], lambda _: Decided([], {}))

    assert await store.take_lease(asked.command_id, 60)
    assert not await store.take_lease(asked.command_id, 60)
    await store.end_lease(asked.command_id)
    assert await store.take_lease(asked.command_id, 0)
    assert await store.take_lease(asked.command_id, 60), "a lease that ran out is nobody's"


async def test_there_is_no_lease_of_what_was_never_recorded(store: EventStore) -> None:
    assert not await store.take_lease(uuid4(), 60)
    await store.end_lease(uuid4())


async def test_a_deadline_that_a_fact_sets_comes_at_its_time_until_it_is_met(store: EventStore) -> None:
    ends = NOW.replace(microsecond=1)
    late, early, endless = wallet(), wallet(), wallet()

    def grant(stream: Wallets, **changes: Any) -> Callable[[States], Decided]:
        return lambda _: Decided([stream.facts(replace(purchased(stream, 5, 5), **changes))], {})

    await store.record(context(), [late], grant(late, expires_at=ends + timedelta(minutes=1)))
    await store.record(context(), [early], grant(early, expires_at=ends))
    await store.record(context(), [endless], grant(endless))

    whole = NOW.replace(microsecond=0) + timedelta(seconds=1)
    expected = Deadline("credits", early.id, whole, "prj_shop")
    assert await store.due("credits", whole - timedelta(microseconds=1), 10) == []
    assert await store.due("credits", whole, 10) == [expected]
    assert await store.due("payments", whole, 10) == []
    everything = await store.due("credits", whole + timedelta(days=1), 10)
    assert [deadline.stream_id for deadline in everything] == [early.id, late.id]
    assert await store.due("credits", whole + timedelta(days=1), 1) == [expected]

    await store.met([expected])
    assert [deadline.stream_id for deadline in await store.due("credits", whole + timedelta(days=1), 10)] == [late.id]


async def test_deadlines_that_are_put_off_come_once_later(store: EventStore) -> None:
    stream, other = wallet(), wallet()
    ends = [NOW.replace(microsecond=0) + timedelta(seconds=number) for number in range(3)]
    facts = [stream.facts(*(replace(purchased(stream, 5, 5), expires_at=at) for at in ends))]
    facts.append(other.facts(replace(purchased(other, 5, 5), expires_at=ends[0])))
    await store.record(context(), [stream, other], lambda _: Decided(facts, {}))
    due = [deadline for deadline in await store.due("credits", ends[1], 10) if deadline.stream_id == stream.id]

    await store.put_off([*due, Deadline("credits", wallet().id, ends[0], "prj_shop")], ends[2] + timedelta(hours=1))

    assert [deadline.stream_id for deadline in await store.due("credits", ends[1], 10)] == [other.id]
    later = [deadline.due_at for deadline in await store.due("credits", ends[2] + timedelta(hours=1), 10)]
    assert later == [ends[0], ends[2], ends[2] + timedelta(hours=1)]


async def test_a_stream_in_which_much_ends_at_once_has_one_deadline(store: EventStore) -> None:
    stream = wallet()
    ends = [NOW.replace(microsecond=microsecond) for microsecond in (1, 2, 3)]
    facts = stream.facts(*(replace(purchased(stream, 5, 5), expires_at=at) for at in ends))

    await store.record(context(), [stream], lambda _: Decided([facts], {}))

    assert len(await store.due("credits", NOW + timedelta(days=1), 10)) == 1


async def test_a_refused_command_sets_no_deadline(store: EventStore) -> None:
    with pytest.raises(Refusal):
        await store.record(context(), [wallet()], refuse)

    assert await store.due("credits", NOW + timedelta(days=999), 10) == []
