"""What is known of recent streams saves folding them, and is never taken for the truth."""

import asyncio
from collections.abc import Callable
from typing import LiteralString
from uuid import uuid4

import pytest

from commands.ports import Decided, States
from commands.store.cache import RecentStreams
from commands.store.postgres import PostgresStore
from commands.store.states import Folded
from domain.errors import DomainError
from runtime.postgres import Pool
from tests.commands.store.log import assert_whole, rows
from tests.commands.store.rivals import another_store
from tests.commands.store.shopping import Wallets, context, pay_in, wallet


class TooPoor(DomainError):
    code = "too_poor"


def spend_all_of(stream: Wallets, amount: int) -> Callable[[States], Decided]:
    """Refuse unless exactly this is there: so the decision shows what it was taken on."""

    def decide(states: States) -> Decided:
        state = states[stream]
        if state is None or state.balance != amount:
            raise TooPoor(f"You have {state.balance if state else 0}.")
        return Decided([], {"spent": amount})

    return decide


async def past_changed(connections: Pool, *changes: LiteralString) -> None:
    """What no one may do: another past, as after a restore of an older copy."""
    async with connections.connection() as connection, connection.transaction():
        await connection.execute("ALTER TABLE store.events DISABLE TRIGGER ALL")
        for change in changes:
            await connection.execute(change)
        await connection.execute("ALTER TABLE store.events ENABLE TRIGGER ALL")


def test_the_newest_state_stays_and_the_one_that_nobody_wants_goes() -> None:
    recent, streams = RecentStreams(most=2), [wallet() for _ in range(3)]
    first, second, third = (stream.id for stream in streams)
    recent.keep({first: Folded("new", 2, uuid4()), second: Folded("some", 1, uuid4())})
    recent.keep({first: Folded("old", 1, uuid4())})
    recent.known(streams[:1])

    recent.keep({third: Folded("more", 1, uuid4())})

    assert {stream: folded.state for stream, folded in recent.known(streams).items()} == {first: "new", third: "more"}
    recent.forget([first])
    assert recent.known(streams).keys() == {third}
    recent.keep({second: Folded(None, 0)})
    assert recent.known(streams).keys() == {third, second}


async def test_what_was_folded_once_is_not_read_again(postgres: PostgresStore, connections: Pool) -> None:
    stream = wallet()
    await postgres.record(context(), [stream], pay_in(stream))
    await postgres.record(context(), [stream], pay_in(stream))
    await past_changed(connections, "UPDATE store.events SET payload = 'unreadable' WHERE version = 1")

    assert (await postgres.record(context(), [stream], pay_in(stream))).answer == {"balances": {stream.id: 15}}
    state = await postgres.load(stream)
    assert state is not None
    assert state.balance == 15


async def test_what_others_wrote_is_seen_by_reads_decisions_and_refusals(
    postgres: PostgresStore, database_url: str
) -> None:
    stream = wallet()
    await postgres.record(context(), [stream], pay_in(stream))
    async with another_store(database_url) as other:
        await other.record(context(), [stream], pay_in(stream))

        assert (await postgres.record(context(), [stream], spend_all_of(stream, 10))).versions == {stream.id: 2}
        await other.record(context(), [stream], pay_in(stream))
        with pytest.raises(TooPoor, match="You have 15"):
            await postgres.record(context(), [stream], spend_all_of(stream, 10))
        await other.record(context(), [stream], pay_in(stream))
        state = await postgres.load(stream)

    assert state is not None
    assert state.balance == 20


@pytest.mark.parametrize("since", [0, 1, 2])
async def test_after_a_restore_of_an_older_copy_what_it_lacks_is_forgotten(
    since: int, postgres: PostgresStore, connections: Pool, database_url: str
) -> None:
    stream, other = wallet(), wallet()
    for _ in range(3):
        await postgres.record(context(), [stream, other], pay_in(stream, other))
    await past_changed(
        connections,
        *("DELETE FROM store.events WHERE version > 1", "DELETE FROM store.outbox WHERE version > 1"),
    )
    async with another_store(database_url) as elsewhere:
        for _ in range(since):
            await elsewhere.record(context(), [stream], pay_in(stream, amount=100))

    receipt = await postgres.record(context(), [stream, other], pay_in(stream, other))

    assert receipt.answer == {"balances": {stream.id: 10 + 100 * since, other.id: 10}}
    assert receipt.versions == {stream.id: 2 + since, other.id: 2}
    await assert_whole(connections)
    assert await rows(connections, "SELECT max(version) FROM store.events WHERE stream = %s", stream.id) == [
        (2 + since,)
    ]


async def test_what_is_remembered_is_decided_on_without_asking_first(
    postgres: PostgresStore, connections: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, customer = wallet(), wallet()
    await postgres.record(context(), [stream, customer], pay_in(stream))
    monkeypatch.setattr("commands.store.writing.load", asked_in_vain)

    receipt = await postgres.record(context(), [stream, customer], pay_in(stream))

    assert receipt.versions == {stream.id: 2}


async def asked_in_vain(*_: object) -> None:
    raise AssertionError("nothing was to be read")


async def test_a_stream_that_is_merely_read_is_not_remembered_otherwise_than_it_stands(
    postgres: PostgresStore, database_url: str
) -> None:
    written, read = wallet(), wallet()

    def pay_in_what_is_there(states: States) -> Decided:
        balance = state.balance if (state := states[read]) else 0
        return Decided(pay_in(written, amount=1)(states).facts, {"there": balance})

    await postgres.record(context(), [written, read], pay_in_what_is_there)
    async with another_store(database_url) as other:
        await other.record(context(), [read], pay_in(read, amount=7))

    assert (await postgres.record(context(), [written, read], pay_in_what_is_there)).answer == {"there": 7}


async def test_a_decision_that_fails_on_what_is_remembered_is_taken_again_on_what_is_true(
    postgres: PostgresStore, database_url: str
) -> None:
    stream = wallet()
    await postgres.record(context(), [stream], pay_in(stream))
    async with another_store(database_url) as other:
        await other.record(context(), [stream], pay_in(stream))

    def fail_on_the_past(states: States) -> Decided:
        state = states[stream]
        assert state is not None
        return Decided([], {"share": 10 // (state.balance - 5)})

    assert (await postgres.record(context(), [stream], fail_on_the_past)).answer == {"share": 2}
    with pytest.raises(ZeroDivisionError):
        await postgres.record(context(), [stream], lambda _: Decided([], {"share": 1 // 0}))


async def test_a_command_that_another_process_recorded_is_not_recorded_again_and_holds_up_no_other(
    postgres: PostgresStore, connections: Pool, database_url: str
) -> None:
    stream, asked = wallet(), context()
    await postgres.record(context(), [stream], pay_in(stream))
    async with another_store(database_url) as other:
        await other.record(asked, [wallet()], lambda _: Decided([], {"by": "another"}))

    again, mate = await asyncio.gather(
        postgres.record(asked, [stream], pay_in(stream)), postgres.record(context(), [stream], pay_in(stream))
    )

    assert (again.answer, again.replayed) == ({"by": "another"}, True)
    assert (mate.answer, mate.replayed) == ({"balances": {stream.id: 10}}, False)
    await assert_whole(connections)
