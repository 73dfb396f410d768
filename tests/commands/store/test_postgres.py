"""The event store in Postgres among rivals, and when its connections die."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest

from commands.ports import Decided, Receipt, States, StoreUnavailable, StreamsBusy
from commands.store.announcing import CHANNEL
from commands.store.committer import TRIES
from commands.store.postgres import PostgresStore
from domain.errors import DomainError, Refused
from runtime.postgres import Pool
from schemas import codec
from tests.commands.store.log import assert_whole, rows
from tests.commands.store.rivals import another_store, meanwhile, overtaken, rival_who_records
from tests.commands.store.shopping import NOW, Wallets, context, initiated, pay_in, payment, wallet
from tests.commands.store.wire import wire
from vault.port import SealedRecord


class TooPoor(DomainError):
    code = "too_poor"


async def test_a_fact_is_stored_with_everything_that_is_known_about_it(
    postgres: PostgresStore, connections: Pool
) -> None:
    stream = payment()
    asked = replace(context(request_id="req_7"), causation_id="evt_1")

    await postgres.record(asked, [stream], lambda _: Decided([stream.facts(initiated(stream))], {}))

    [(event_id, schema_id, payload, *known)] = await rows(
        connections,
        """SELECT event_id, schema_id, payload, stream, version, topic, type, command_id, project_id, actor, request_id,
                  correlation_id, causation_id, recorded_at FROM store.events""",
    )
    assert known == [
        *(stream.id, 1, "payments", "payment.initiated", asked.command_id, "prj_shop", "key:key_1", "req_7"),
        *("req_7", "evt_1", NOW),
    ]
    assert event_id.version == 7
    assert schema_id == codec.schema_id_of(payload)
    assert codec.decode(payload) == ("payment.initiated", initiated(stream), "key:key_1")


async def test_sealed_records_come_with_the_commit_of_an_answer_and_not_of_a_refusal(
    postgres: PostgresStore, connections: Pool
) -> None:
    kept, dropped = (SealedRecord("cus_1", "contact", id, b"\x00sealed", expires_at=NOW) for id in ("pay_1", "pay_2"))

    def refuse(_: States) -> Decided:
        raise TooPoor("No.")

    await postgres.record(context().sealing(kept), [], lambda _: Decided([], {}))
    await postgres.record(context().sealing(replace(kept, sealed=b"later")), [], lambda _: Decided([], {}))
    with pytest.raises(TooPoor):
        await postgres.record(context().sealing(dropped), [], refuse)

    stored = await rows(connections, "SELECT owner, kind, id, sealed, expires_at FROM vault.records")
    assert stored == [("cus_1", "contact", "pay_1", b"\x00sealed", NOW)]


@pytest.mark.parametrize(
    "change", ["UPDATE store.events SET actor = ''", "DELETE FROM store.events", "TRUNCATE store.events"]
)
async def test_facts_are_never_changed(postgres: PostgresStore, connections: Pool, change: LiteralString) -> None:
    stream = wallet()
    await postgres.record(context(), [stream], pay_in(stream))

    with pytest.raises(psycopg.errors.RestrictViolation, match="facts are never changed"):
        await rows(connections, change)


# Rivals.


async def test_fifty_requests_under_one_id_are_one_commit_and_fifty_equal_receipts(database_url: str) -> None:
    paid, credited, asked = wallet(), wallet(), context()
    async with another_store(database_url) as one, another_store(database_url) as other:
        receipts = await asyncio.gather(
            *(store.record(asked, [paid, credited], pay_in(paid, credited)) for store in [one, other] * 25)
        )
        state = await one.load(paid)

    assert [receipt.replayed for receipt in receipts].count(False) == 1
    assert {repr((receipt.answer, receipt.versions)) for receipt in receipts} == {
        repr(({"balances": {paid.id: 5, credited.id: 5}}, {paid.id: 1, credited.id: 1}))
    }
    assert state is not None
    assert state.balance == 5


async def test_a_decision_that_was_overtaken_is_taken_again(postgres: PostgresStore, database_url: str) -> None:
    stream = wallet()
    rival = rival_who_records(database_url, stream)

    receipt = await postgres.record(context(), [stream], overtaken(pay_in(stream), rival))

    assert receipt == Receipt({"balances": {stream.id: 105}}, {stream.id: 2}, replayed=False)


async def test_a_rival_on_one_of_two_streams_leaves_no_half(
    postgres: PostgresStore, connections: Pool, database_url: str
) -> None:
    free, contested = wallet(), wallet()
    rival = rival_who_records(database_url, contested)

    receipt = await postgres.record(context(), [free, contested], overtaken(pay_in(free, contested), rival))

    assert receipt.versions == {free.id: 1, contested.id: 2}
    assert await rows(connections, "SELECT stream, version FROM store.outbox ORDER BY ordinal") == [
        *((contested.id, 1), (free.id, 1), (contested.id, 2)),
    ]


async def test_a_rival_under_the_same_id_is_the_command_itself(postgres: PostgresStore, database_url: str) -> None:
    stream, asked = wallet(), context()
    rival = rival_who_records(database_url, stream, asked=asked)

    receipt = await postgres.record(asked, [stream], overtaken(pay_in(stream), rival))

    assert receipt == Receipt({"balances": {stream.id: 100}}, {stream.id: 1}, replayed=True)


async def test_a_refusal_that_was_overtaken_under_its_id_gives_way(postgres: PostgresStore, database_url: str) -> None:
    stream, asked = wallet(), context()

    def refuse(_: States) -> Decided:
        meanwhile(rival_who_records(database_url, stream, asked=asked))
        raise TooPoor("No.")

    assert (await postgres.record(asked, [stream], refuse)).answer == {"balances": {stream.id: 100}}


async def test_who_is_overtaken_every_time_is_told_to_come_back(
    postgres: PostgresStore, connections: Pool, database_url: str
) -> None:
    stream, asked = wallet(), context()
    rival = rival_who_records(database_url, stream)

    with pytest.raises(StreamsBusy):
        await postgres.record(asked, [stream], overtaken(pay_in(stream), rival, times=TRIES))

    assert await postgres.receipt(asked) is None
    assert await rows(connections, "SELECT count(*) FROM store.events") == [(TRIES,)]


async def test_whoever_waits_too_long_for_a_stream_is_told_to_come_back(
    postgres: PostgresStore, database_url: str
) -> None:
    stream = wallet()
    rival = rival_who_records(database_url, stream)
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (stream.id,))

        with pytest.raises(StreamsBusy):
            await postgres.record(context(), [stream], overtaken(pay_in(stream), rival))

    assert (await postgres.record(context(), [stream], pay_in(stream))).versions == {stream.id: 2}


async def test_many_writers_on_hot_streams_lose_nothing_and_double_nothing(
    database_url: str, connections: Pool
) -> None:
    chance = random.Random(7)
    hot = [wallet() for _ in range(3)]
    asked: dict[UUID, int] = {}

    async def write(store: PostgresStore) -> None:
        for _ in range(12):
            command, streams = context(), chance.sample([*hot, wallet()], k=chance.randint(1, 3))
            asked[command.command_id] = len(streams)
            retried = [store.record(command, streams, pay_in(*streams)) for _ in range(chance.choice([1, 1, 2]))]
            await asyncio.gather(*retried)

    async with another_store(database_url) as one, another_store(database_url) as other:
        await asyncio.gather(*(write(store) for store in [one, other] * 4))
        balances = [await balance(one, stream) for stream in hot]

    assert await assert_whole(connections) == asked
    facts = await rows(connections, "SELECT stream FROM store.events")
    written = Counter(stream for (stream,) in facts)
    assert balances == [5 * written[stream.id] for stream in hot]


async def test_who_comes_back_at_once_queues_up_where_others_do(postgres: PostgresStore, database_url: str) -> None:
    stream = wallet()
    await postgres.record(context(), [stream], pay_in(stream))
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (stream.id,))
        coming_back = asyncio.create_task(postgres.record(context(), [stream], pay_in(stream)))

        _, waiting = await asyncio.wait([coming_back], timeout=0.5)

        assert waiting == {coming_back}
    assert (await coming_back).versions == {stream.id: 2}


async def balance(store: PostgresStore, stream: Wallets) -> int:
    state = await store.load(stream)
    return state.balance if state else 0


async def test_losers_on_a_busy_stream_leave_connections_to_all_others(database_url: str) -> None:
    busy, free = wallet(), wallet()
    async with another_store(database_url, size=2, timeout_seconds=1.0) as store:
        await store.record(context(), [busy], pay_in(busy))
        async with await psycopg.AsyncConnection.connect(database_url) as holder:
            await holder.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (busy.id,))
            rival = rival_who_records(database_url, busy)
            losers = [
                asyncio.create_task(store.record(context(), [busy], overtaken(pay_in(busy), rival))) for _ in range(4)
            ]
            await asyncio.sleep(0.5)

            assert (await store.record(context(), [free], pay_in(free))).versions == {free.id: 1}
            await holder.rollback()
        await asyncio.gather(*losers)


# Lost answers, dead connections.


@pytest.mark.parametrize("statement", ["the plain one", "the COMMIT of a later try"])
async def test_a_lost_answer_to_a_commit_is_neither_a_conflict_nor_a_second_commit(
    statement: str, database_url: str, connections: Pool
) -> None:
    stream = wallet()
    asked = context(request_id="req_whose_answer_is_lost")
    decide = pay_in(stream)
    if statement != "the plain one":
        decide = overtaken(decide, rival_who_records(database_url, stream))
    async with wire(database_url) as (line, url), another_store(url) as store:
        line.lose_answer_to(b"req_whose_answer_is_lost" if statement == "the plain one" else b"COMMIT")
        receipt = await store.record(asked, [stream], decide)

        assert line.answers_lost == 1

    assert receipt.answer == {"balances": {stream.id: 5 if statement == "the plain one" else 105}}
    assert await rows(connections, "SELECT count(*) FROM store.events WHERE command_id = %s", asked.command_id) == [
        (1,)
    ]


async def test_a_refusal_whose_answer_was_lost_is_still_a_refusal(database_url: str) -> None:
    def refuse(_: States) -> Decided:
        raise TooPoor("You are too poor.")

    async with wire(database_url) as (line, url), another_store(url) as store:
        line.lose_answer_to(b"req_whose_answer_is_lost")
        with pytest.raises(Refused, match="You are too poor") as refused:
            await store.record(context(request_id="req_whose_answer_is_lost"), [], refuse)

        assert line.answers_lost == 1
    assert refused.value.code == "too_poor"


async def test_a_restart_of_postgres_between_two_commands_is_not_noticed(database_url: str, connections: Pool) -> None:
    stream = wallet()
    async with another_store(database_url) as store:
        await asyncio.gather(
            *(store.record(context(), [other], pay_in(other)) for other in [wallet() for _ in range(8)])
        )
        await rows(
            connections,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tillstream another'",
        )

        receipts = await asyncio.gather(*(store.record(context(), [each], pay_in(each)) for each in [stream, wallet()]))
        assert [receipt.replayed for receipt in receipts] == [False, False]
        assert await store.load(stream) is not None


async def test_without_postgres_the_store_says_so_and_with_it_again_it_works(database_url: str) -> None:
    stream, asked = wallet(), context()
    async with wire(database_url) as (line, url), another_store(url, timeout_seconds=0.5) as store:
        await store.record(context(), [stream], pay_in(stream))

        await line.down()
        for ask in (
            *(store.record(asked, [stream], pay_in(stream)), store.load(stream), store.receipt(asked)),
            *(store.find("checkout", "cs_1"), store.take_lease(uuid4(), 1), store.end_lease(uuid4())),
        ):
            with pytest.raises(StoreUnavailable):
                await ask

        await line.up()
        receipt = await until_available(lambda: store.record(asked, [stream], pay_in(stream)))

    assert receipt == Receipt({"balances": {stream.id: 10}}, {stream.id: 2}, replayed=False)


async def until_available(ask: Callable[[], Coroutine[Any, Any, Receipt]], seconds: float = 15.0) -> Receipt:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            assert asyncio.get_running_loop().time() < deadline, f"still unavailable after {seconds} s"


async def test_a_standby_that_takes_no_writes_is_no_store(database_url: str) -> None:
    stream = wallet()
    async with another_store(f"{database_url}?options=-c%20default_transaction_read_only%3Don") as store:
        with pytest.raises(StoreUnavailable):
            await store.record(context(), [stream], pay_in(stream))


# Telling the publisher.


async def test_many_commits_wake_the_publisher_a_few_times_and_a_commit_without_facts_never(
    postgres: PostgresStore, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        await postgres.record(context(), [], lambda _: Decided([], {}))
        assert await heard(listener, 0.2) == 0

        streams = [wallet() for _ in range(40)]
        await asyncio.gather(*(postgres.record(context(), [stream], pay_in(stream)) for stream in streams))
        assert 1 <= await heard(listener, 0.5) < 40


async def heard(listener: psycopg.AsyncConnection[Any], seconds: float) -> int:
    return len([notice async for notice in listener.notifies(timeout=seconds)])


async def test_a_wake_up_that_is_lost_harms_nobody(database_url: str) -> None:
    stream = wallet()
    async with wire(database_url) as (line, url), another_store(url) as store:
        line.lose_answer_to(b"pg_notify")

        assert (await store.record(context(), [stream], pay_in(stream))).versions == {stream.id: 1}
        await store.close()
        assert line.answers_lost == 1
        assert (await store.record(context(), [stream], pay_in(stream))).versions == {stream.id: 2}
