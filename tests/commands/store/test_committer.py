"""Many commands at once: together in a few commits, each with its own result, and nobody to suffer from another."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import psycopg
import pytest

from commands.ports import Context, Decided, IdempotencyKeyReused, Receipt, States
from commands.store.postgres import PostgresStore
from domain.errors import DomainError
from runtime.postgres import Pool
from tests.commands.store.log import assert_whole, rows
from tests.commands.store.rivals import another_store, overtaken, rival_who_records
from tests.commands.store.shopping import Wallets, context, pay_in, wallet
from tests.commands.store.wire import wire


class TooPoor(DomainError):
    code = "too_poor"


def refuse(_: States) -> Decided:
    raise TooPoor("You are too poor.")


async def commits(connections: Pool) -> int:
    """How many transactions recorded what stands in the inbox."""
    [(number,)] = await rows(connections, "SELECT count(DISTINCT xmin::text) FROM store.inbox")
    return int(number)


@asynccontextmanager
async def held(database_url: str, stream: Wallets) -> AsyncIterator[psycopg.AsyncConnection[object]]:
    """Somebody elsewhere who is about to write the first fact of a stream, and then gives it up."""
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute(
            "INSERT INTO store.events SELECT %s, 1, 'credits', 'credits.purchased', gen_random_uuid(),"
            " gen_random_uuid(), 'prj', 'a', 'r', 'r', 'c', 1, '', now()",
            (stream.id,),
        )
        yield holder
        await holder.rollback()


async def until_somebody_waits(connections: Pool, how_many: int = 1) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = asyncio.get_running_loop().time() + 20
    while (await rows(connections, waiting)) != [(how_many,)]:
        assert asyncio.get_running_loop().time() < deadline, "nobody waits"
        await asyncio.sleep(0.01)


async def test_commands_that_wait_at_the_same_moment_are_one_commit(postgres: PostgresStore, connections: Pool) -> None:
    streams = [wallet() for _ in range(50)]

    receipts = await asyncio.gather(*(postgres.record(context(), [each], pay_in(each)) for each in streams))

    assert receipts == [Receipt({"balances": {each.id: 5}}, {each.id: 1}, replayed=False) for each in streams]
    assert await commits(connections) == 1


async def test_no_commit_takes_more_than_its_share(connections: Pool) -> None:
    store = PostgresStore(connections, at_once=10)

    await asyncio.gather(*(store.record(context(), [each], pay_in(each)) for each in [wallet() for _ in range(45)]))

    assert await commits(connections) == 5


async def test_spends_that_wait_for_one_wallet_are_one_commit_and_see_each_other(
    postgres: PostgresStore, connections: Pool
) -> None:
    hot = wallet()

    receipts = await asyncio.gather(*(postgres.record(context(), [hot], pay_in(hot)) for _ in range(50)))

    assert [receipt.answer["balances"][hot.id] for receipt in receipts] == list(range(5, 255, 5))
    assert [receipt.versions[hot.id] for receipt in receipts] == list(range(1, 51))
    assert await commits(connections) == 1
    await assert_whole(connections)


async def test_one_process_is_never_its_own_rival(postgres: PostgresStore, connections: Pool) -> None:
    hot, decisions = wallet(), count()

    def counting(states: States) -> Decided:
        next(decisions)
        return pay_in(hot)(states)

    async def caller() -> None:
        for _ in range(8):
            await postgres.record(context(), [hot, wallet()], counting)

    await asyncio.gather(*(caller() for _ in range(16)))

    assert next(decisions) == 16 * 8
    await assert_whole(connections)


async def test_a_refusal_among_others_is_recorded_and_changes_nothing(
    postgres: PostgresStore, connections: Pool
) -> None:
    stream = wallet()

    first, refused, last = await asyncio.gather(
        postgres.record(context(), [stream], pay_in(stream)),
        postgres.record(context(), [stream], refuse),
        postgres.record(context(), [stream], pay_in(stream)),
        return_exceptions=True,
    )

    assert isinstance(refused, TooPoor)
    assert first == Receipt({"balances": {stream.id: 5}}, {stream.id: 1}, replayed=False)
    assert last == Receipt({"balances": {stream.id: 10}}, {stream.id: 2}, replayed=False)
    recorded = await rows(connections, "SELECT refusal->>'code', versions->>%s FROM store.inbox", stream.id)
    assert sorted(recorded, key=str) == sorted([(None, "1"), ("too_poor", "1"), (None, "2")], key=str)
    assert await commits(connections) == 1


async def test_one_id_several_times_at_the_same_moment_is_one_command(
    postgres: PostgresStore, connections: Pool
) -> None:
    stream, asked = wallet(), context()
    answers = await asyncio.gather(
        *(postgres.record(asked, [stream], pay_in(stream)) for _ in range(3)),
        postgres.record(context(asked.command_id, fingerprint=b"other"), [stream], pay_in(stream)),
        postgres.record(context(), [stream], pay_in(stream)),
        return_exceptions=True,
    )

    first, *repeated, other, later = answers
    assert first == Receipt({"balances": {stream.id: 5}}, {stream.id: 1}, replayed=False)
    assert repeated == [Receipt({"balances": {stream.id: 5}}, {stream.id: 1}, replayed=True)] * 2
    assert isinstance(other, IdempotencyKeyReused)
    assert later == Receipt({"balances": {stream.id: 10}}, {stream.id: 2}, replayed=False)
    assert await commits(connections) == 1


async def test_a_unit_that_meets_a_rival_is_decided_again_whole_and_no_other_is(
    postgres: PostgresStore, connections: Pool, database_url: str
) -> None:
    one, shared, contested, free = wallet(), wallet(), wallet(), wallet()
    decisions: list[str] = []

    def noting(name: str, *streams: Wallets) -> partial[Decided]:
        def decide(states: States) -> Decided:
            decisions.append(name)
            return pay_in(*streams)(states)

        return partial(decide)

    rival = rival_who_records(database_url, contested)
    receipts = await asyncio.gather(
        postgres.record(context(), [one, shared], noting("first", one, shared)),
        postgres.record(context(), [free], noting("alone", free)),
        postgres.record(context(), [shared, contested], overtaken(noting("second", shared, contested), rival)),
    )

    assert decisions == ["first", "second", "alone", "first", "second"]
    assert [receipt.versions for receipt in receipts] == [
        {one.id: 1, shared.id: 1},
        {free.id: 1},
        {shared.id: 2, contested.id: 2},
    ]
    await assert_whole(connections)


async def test_who_waits_for_a_busy_stream_is_overtaken_by_nobody_who_wants_the_same_and_stops_nobody_else(
    postgres: PostgresStore, connections: Pool, database_url: str
) -> None:
    busy, wanted, free = wallet(), wallet(), wallet()
    async with held(database_url, busy):
        first = asyncio.create_task(postgres.record(context(), [busy], pay_in(busy)))
        await until_somebody_waits(connections)
        both = asyncio.create_task(postgres.record(context(), [busy, wanted], pay_in(busy, wanted)))
        await asyncio.sleep(0)
        later = asyncio.create_task(postgres.record(context(), [wanted], pay_in(wanted)))
        elsewhere = await postgres.record(context(), [free], pay_in(free))

        assert elsewhere.versions == {free.id: 1}
        assert not any(task.done() for task in (first, both, later))

    assert (await first).versions == {busy.id: 1}
    assert (await both).versions == {busy.id: 2, wanted.id: 1}
    assert (await later).versions == {wanted.id: 2}


@pytest.mark.parametrize(
    ("asked", "answer"), [(context(request_id="a\0b"), {}), (context(), {"no": object()})], ids=["no text", "no JSON"]
)
async def test_what_cannot_be_stored_harms_only_the_one_who_asked_for_it(
    asked: Context, answer: dict[str, object], postgres: PostgresStore, connections: Pool
) -> None:
    hot, cold = wallet(), wallet()
    first, harmed, *others = await asyncio.gather(
        postgres.record(context(), [hot], pay_in(hot)),
        postgres.record(asked, [hot], lambda _: Decided([], answer)),
        postgres.record(context(), [hot], pay_in(hot)),
        postgres.record(context(), [cold], pay_in(cold)),
        return_exceptions=True,
    )

    assert isinstance(harmed, psycopg.DataError | TypeError)
    assert [each.versions for each in (first, *others) if isinstance(each, Receipt)] == [
        *({hot.id: 1}, {hot.id: 2}, {cold.id: 1}),
    ]
    await assert_whole(connections)


async def test_a_caller_who_leaves_takes_nobody_along(
    postgres: PostgresStore, connections: Pool, database_url: str
) -> None:
    busy, mate, gone_before, gone_meanwhile = wallet(), wallet(), context(), context()
    async with held(database_url, busy):
        leaving = asyncio.create_task(postgres.record(gone_meanwhile, [busy], pay_in(busy)))
        staying = asyncio.create_task(postgres.record(context(), [busy, mate], pay_in(busy, mate)))
        await until_somebody_waits(connections)
        never_begun = asyncio.create_task(postgres.record(gone_before, [busy], pay_in(busy)))
        last = asyncio.create_task(postgres.record(context(), [busy], pay_in(busy)))
        await asyncio.sleep(0)
        await left(leaving, never_begun)

    assert (await staying).versions == {busy.id: 2, mate.id: 1}
    assert (await last).versions == {busy.id: 3}
    assert (await postgres.receipt(gone_meanwhile)) == Receipt({"balances": {busy.id: 5}}, {busy.id: 1}, replayed=True)
    assert await postgres.receipt(gone_before) is None


async def left(*callers: "asyncio.Task[Receipt]") -> None:
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)


async def test_a_connection_that_dies_before_the_answer_to_a_whole_batch_doubles_nothing(
    database_url: str, connections: Pool
) -> None:
    hot, streams = wallet(), [wallet() for _ in range(20)]
    refused = context(request_id="req_refused")
    async with wire(database_url) as (line, url), another_store(url) as store:
        line.lose_answer_to(b"req_whose_answer_is_lost")
        told = await asyncio.gather(
            store.record(context(request_id="req_whose_answer_is_lost"), [hot], pay_in(hot)),
            *(store.record(context(), [hot, each], pay_in(hot, each)) for each in streams),
            store.record(refused, [hot], refuse),
            return_exceptions=True,
        )

        assert line.answers_lost == 1

    *receipts, refusal = told
    assert isinstance(refusal, DomainError)
    assert refusal.code == "too_poor"
    assert balances(receipts, hot) == list(range(5, 110, 5))
    assert set((await assert_whole(connections)).values()) == {1, 2}
    assert await rows(connections, "SELECT count(*) FROM store.inbox") == [(22,)]


def balances(receipts: Sequence[object], stream: Wallets) -> list[int]:
    return [each.answer["balances"][stream.id] for each in receipts if isinstance(each, Receipt)]


async def test_a_store_that_is_closed_has_ended_what_it_began(connections: Pool) -> None:
    store, streams = PostgresStore(connections), [wallet() for _ in range(5)]
    asked = [asyncio.create_task(store.record(context(), [each], pay_in(each))) for each in streams]
    await asyncio.sleep(0)

    await store.close()

    assert [(await each).versions for each in asked] == [{each.id: 1} for each in streams]
