"""What is known of recent streams saves folding them, and is never taken for the truth."""

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

    recent.keep({third: Folded("more", 1, uuid4()), second + "x": Folded(None, 0)})

    assert {stream: folded.state for stream, folded in recent.known(streams).items()} == {first: "new", third: "more"}
    recent.forget([first])
    assert recent.known(streams).keys() == {third}


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
