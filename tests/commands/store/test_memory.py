"""The twin in memory: what a test can read of it, and that it does as the store in Postgres does."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.ports import Decided, EventStore, States
from commands.store.memory import MemoryStore
from commands.store.postgres import PostgresStore
from commands.store.refs import Ref
from domain.errors import DomainError
from runtime.postgres import pool
from tests.commands.store.shopping import Wallets, context, initiated, opened, pay_in, payment, wallet
from vault.port import SealedRecord

Step = tuple[int, bytes, Sequence[int], bool]  # which command, its fingerprint, which wallets, whether it is refused

STEPS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([b"one", b"other"]),
        st.lists(st.integers(0, 2), max_size=4),
        st.booleans(),
    ),
    max_size=6,
)


class TooPoor(DomainError):
    code = "too_poor"


async def test_a_test_can_read_what_was_recorded() -> None:
    store, stream = MemoryStore(), payment()
    facts = initiated(stream), opened(stream, "cs_1")
    record = SealedRecord("cus_1", "contact", stream.id, b"sealed")

    await store.record(context().sealing(record), [stream], lambda _: Decided([stream.facts(*facts)], {}))

    assert store.events == store.events_of(stream.id) == list(facts)
    assert [(row.stream, row.version, row.type) for row in store.rows] == [
        (stream.id, 1, "payment.initiated"),
        (stream.id, 2, "payment.checkout_opened"),
    ]
    assert store.refs == {Ref("checkout", "cs_1"): stream.id}
    assert store.sealed == {("cus_1", "contact", stream.id): record}


async def test_an_answer_that_is_no_json_fails_here_as_it_fails_in_postgres() -> None:
    store, asked = MemoryStore(), context()

    with pytest.raises(TypeError, match="not JSON serializable"):
        await store.record(asked, [], lambda _: Decided([], {"at": asked.now}))

    assert await store.receipt(asked) is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=st.lists(STEPS, max_size=5))
def test_the_twin_does_as_postgres_does(database_url: str, moments: Sequence[Sequence[Step]]) -> None:
    wallets, commands = [wallet() for _ in range(3)], [uuid4() for _ in range(6)]

    async def at_once(store: EventStore, steps: Sequence[Step]) -> object:
        said = await asyncio.gather(*(told(store, step, wallets, commands) for step in steps))
        return said, [await balance(store, stream) for stream in wallets]

    async def both() -> None:
        async with pool(database_url, name="test", size=2) as connections:
            postgres, memory = PostgresStore(connections), MemoryStore()
            for steps in moments:
                assert await at_once(memory, steps) == await at_once(postgres, steps)
            await postgres.close()

    asyncio.run(both())


async def told(store: EventStore, step: Step, wallets: Sequence[Wallets], commands: Sequence[UUID]) -> object:
    """What a command of this step is told."""
    command, fingerprint, chosen, refused = step
    streams = [wallets[index] for index in chosen]

    def decide(states: States) -> Decided:
        if refused:
            raise TooPoor("No.", details={"wallets": len(streams)})
        return pay_in(*streams)(states)

    try:
        return repr(await store.record(context(commands[command], fingerprint=fingerprint), streams, decide))
    except DomainError as error:
        return type(error), error.code, error.message, error.details, error.replayed


async def balance(store: EventStore, stream: Wallets) -> int | None:
    state = await store.load(stream)
    return state.balance if state else None
