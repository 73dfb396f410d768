"""Which commands go together, and what each of them is decided on."""

from collections.abc import Sequence
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.ports import Context, Decided, States
from commands.store.outcome import Outcome
from commands.store.rows import Write
from commands.store.states import fold
from commands.store.units import Asked, Unit, draft, streams_of, units
from domain.errors import DomainError
from domain.wallet import WALLETS
from tests.commands.store.shopping import Wallets, context, pay_in, wallet

COMMANDS = st.lists(st.tuples(st.integers(0, 20), st.frozensets(st.integers(0, 20), max_size=3)), max_size=30)


class TooPoor(DomainError):
    code = "too_poor"


@pytest.fixture(autouse=True)
async def _loop() -> None:
    """Whoever asks waits in an event loop."""


def asked(*streams: Wallets, context: Context, amount: int = 5) -> Asked:
    return Asked(context, streams, pay_in(*streams, amount=amount))


@given(described=COMMANDS)
async def test_what_shares_a_stream_or_an_id_goes_together_and_nothing_else_does(
    described: Sequence[tuple[int, frozenset[int]]],
) -> None:
    commands = [
        asked(*(WALLETS.at(f"wal_{number}") for number in sorted(streams)), context=context(UUID(int=id)))
        for id, streams in described
    ]

    found = units(commands)

    assert sorted(commands.index(each) for unit in found for each in unit) == list(range(len(commands)))
    assert all(keys_of(one).isdisjoint(keys_of(other)) for one, other in combinations(found, 2))
    assert all(is_connected(unit) for unit in found)
    assert all([commands.index(each) for each in unit] == sorted(map(commands.index, unit)) for unit in found)


def keys_of(unit: Unit) -> set[UUID | str]:
    return {key for each in unit for key in each.keys}


def is_connected(unit: Unit) -> bool:
    """Whether it cannot be cut in two: walk from the first command to whatever shares a key, until nothing is added."""
    reached: set[UUID | str] = set(unit[0].keys)
    while more := {key for each in unit if reached & set(each.keys) for key in each.keys} - reached:
        reached |= more
    return all(reached & set(each.keys) for each in unit)


async def test_each_command_of_a_unit_is_decided_on_what_the_one_before_it_left() -> None:
    one, other = wallet(), wallet()
    unit = [asked(one, context=context()), asked(one, other, context=context()), asked(other, context=context())]

    drafted = draft(unit, fold(streams_of([unit]), []), {})

    assert [write.outcome.answer for write in drafted.writes] == [
        {"balances": {one.id: 5}},
        {"balances": {one.id: 10, other.id: 5}},
        {"balances": {other.id: 10}},
    ]
    assert [[(row.stream, row.version) for row in write.events] for write in drafted.writes] == [
        *([(one.id, 1)], [(one.id, 2), (other.id, 1)], [(other.id, 2)]),
    ]


async def test_a_command_sees_no_stream_of_another_one_in_its_unit() -> None:
    shared, mine = wallet(), wallet()
    curious = Asked(context(), [shared], lambda states: Decided([], {"balance": states[mine] is None}))
    unit = [asked(shared, mine, context=context()), curious]

    _, (_, (_, told, _)) = draft(unit, fold(streams_of([unit]), []), {})

    assert isinstance(told, AssertionError)


async def test_a_refusal_in_the_middle_of_a_unit_moves_nothing() -> None:
    def refuse(_: States) -> Decided:
        raise TooPoor("No.")

    stream = wallet()
    unit = [asked(stream, context=context()), Asked(context(), [stream], refuse), asked(stream, context=context())]

    first, refused, last = draft(unit, fold([stream], []), {}).writes

    assert [len(each.events) for each in (first, refused, last)] == [1, 0, 1]
    assert refused.outcome.refusal is not None
    assert refused.outcome.versions == {stream.id: 1}
    assert last.outcome.versions == {stream.id: 2}


async def test_a_fault_in_the_middle_of_a_unit_is_its_own_and_writes_nothing() -> None:
    stream = wallet()
    faulty = Asked(context(), [stream], lambda _: Decided([], {"half": 1 // 0}))
    unit = [asked(stream, context=context()), faulty, asked(stream, context=context())]

    drafted = draft(unit, fold([stream], []), {})

    assert [type(result.told) for result in drafted.results] == [Write, ZeroDivisionError, Write]
    assert [write.outcome.versions for write in drafted.writes] == [{stream.id: 1}, {stream.id: 2}]


async def test_a_command_that_is_there_twice_or_was_recorded_before_is_decided_once_or_not_at_all() -> None:
    stream, twice, standing = wallet(), context(), context()
    recorded = Outcome(fingerprint=b"buy", answer={"was": "recorded"}, refusal=None, versions={})
    unit = [asked(stream, context=each) for each in (twice, standing, twice)]

    drafted = draft(unit, fold([stream], []), {standing.command_id: recorded})

    [write] = drafted.writes
    assert write.outcome.versions == {stream.id: 1}
    assert [(result.told, result.again) for result in drafted.results] == [
        *((write, False), (recorded, False), (write, True)),
    ]
