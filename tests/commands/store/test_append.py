"""Many commands in one statement: units whole or not at all, and the right word about each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from commands.ports import Context
from commands.store.append import CHECKED, PLAIN, TRUSTED, append
from commands.store.rows import Write, decide_on
from commands.store.states import Folded, FoldedStreams
from runtime.postgres import Pool
from tests.commands.store.shopping import Wallets, context, pay_in, wallet


@pytest.fixture
async def connection(connections: Pool) -> AsyncIterator[AsyncConnection[Any]]:
    async with connections.connection() as one:
        yield one


def write(*streams: Wallets, after: int = 0, asked: Context | None = None) -> Write:
    """A command that pays into these wallets, decided when each was at this version."""
    states = FoldedStreams({stream.id: Folded(None, after) for stream in streams})
    return decide_on(states, asked or context(), pay_in(*streams))


async def words(connection: AsyncConnection[Any], *units: Sequence[Write]) -> list[list[str]]:
    verdicts = await append(connection, units)
    return [[verdicts[each.context.command_id].word for each in unit] for unit in units]


async def stored(connection: AsyncConnection[Any]) -> list[Any]:
    return await (await connection.execute("SELECT stream, version FROM store.outbox ORDER BY ordinal")).fetchall()


async def test_units_without_rivals_are_all_written_in_their_order(connection: AsyncConnection[Any]) -> None:
    busy, other = wallet(), wallet()

    said = await words(connection, [write(busy), write(busy, after=1)], [write(other)], [write()])

    assert said == [["done", "done"], ["done"], ["done"]]
    assert await stored(connection) == [(busy.id, 1), (busy.id, 2), (other.id, 1)]


async def test_a_unit_that_comes_late_is_left_out_and_no_other(connection: AsyncConnection[Any]) -> None:
    moved, free, mate = wallet(), wallet(), wallet()
    await words(connection, [write(moved)])

    said = await words(connection, [write(free, moved), write(mate)], [write(mate)])

    assert said == [["late", "late"], ["done"]]
    assert await stored(connection) == [(moved.id, 1), (mate.id, 1)]


async def test_a_unit_decided_on_facts_that_are_not_there_is_late(connection: AsyncConnection[Any]) -> None:
    stream, taken = wallet(), wallet()
    await words(connection, [write(taken)])

    assert await words(connection, [write(stream, after=3)], [write(taken)]) == [["late"], ["late"]]
    assert await stored(connection) == [(taken.id, 1)]


async def test_a_command_that_stands_is_seen_and_its_peers_wait_for_the_next_round(
    connection: AsyncConnection[Any],
) -> None:
    first, second, asked = wallet(), wallet(), context()
    standing = write(first, asked=asked)
    await words(connection, [standing])
    unit = [write(second, asked=asked), write(second, after=1)]

    verdicts = await append(connection, [unit])

    assert [verdicts[each.context.command_id].word for each in unit] == ["seen", "peer"]
    assert verdicts[asked.command_id].outcome == standing.outcome
    assert await stored(connection) == [(first.id, 1)]


async def test_several_rivals_in_one_statement_cost_only_those_who_met_them(connection: AsyncConnection[Any]) -> None:
    moved, free = [wallet() for _ in range(4)], [wallet() for _ in range(4)]
    await words(connection, *([write(stream)] for stream in moved))

    said = await words(connection, *([write(stream)] for pair in zip(moved, free, strict=True) for stream in pair))

    assert said == [["late"], ["done"]] * 4


async def test_an_append_of_nothing_is_nothing(connection: AsyncConnection[Any]) -> None:
    assert await append(connection, []) == {}


@pytest.mark.parametrize("held", ["the stream", "the command id"])
async def test_who_waits_for_a_rival_has_drawn_no_ordinal_yet(
    held: str, connections: Pool, connection: AsyncConnection[Any]
) -> None:
    stream = wallet()
    mine = write(stream)
    rival = write(stream) if held == "the stream" else write(wallet(), asked=mine.context)
    async with connections.connection() as holder:
        await holder.execute("BEGIN")
        await append(holder, [[rival]])
        waiting = asyncio.create_task(append(connection, [[mine]]))
        await until_somebody_waits(connections)

        assert await ordinals_drawn(connections) == 1
        await holder.execute("ROLLBACK")

    assert (await waiting)[mine.context.command_id].word == "done"
    assert await stored(connection) == [(stream.id, 1)]


async def ordinals_drawn(connections: Pool) -> int:
    async with connections.connection() as observer:
        cursor = await observer.execute("SELECT last_value FROM store.outbox_ordinal_seq")
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def until_somebody_waits(connections: Pool) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with connections.connection() as observer:
        for _ in range(500):
            row = await (await observer.execute(waiting)).fetchone()
            if row == (1,):
                return
            await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("statement", [PLAIN, CHECKED, TRUSTED])
def test_a_statement_is_short_enough_to_be_remembered_by_psycopg(statement: bytes) -> None:
    assert len(statement) <= MAX_CACHED_STATEMENT_LENGTH
