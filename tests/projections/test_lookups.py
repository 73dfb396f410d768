"""Look-ups that wait together go together."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from projections.lookups import Coalesced


class Table:
    """Knows the even numbers. Remembers what it was asked, and can be made to fail."""

    def __init__(self) -> None:
        self.asked: list[Sequence[int]] = []
        self.failing = False

    async def fetch(self, keys: Sequence[int]) -> Mapping[int, str]:
        self.asked.append(keys)
        await asyncio.sleep(0.01)
        if self.failing:
            raise ConnectionError("away")
        return {key: f"row {key}" for key in keys if key % 2 == 0}


async def test_each_caller_gets_the_row_of_its_key() -> None:
    lookup = Coalesced(Table().fetch)

    found = await asyncio.gather(*(lookup.get(key) for key in range(10)))

    assert found == [f"row {key}" if key % 2 == 0 else None for key in range(10)]


async def test_what_waits_together_is_one_query() -> None:
    table = Table()
    lookup = Coalesced(table.fetch)

    await asyncio.gather(*(lookup.get(key) for key in (1, 2, 2, 3)))

    assert table.asked == [[1, 2, 3]]


async def test_what_is_asked_for_meanwhile_makes_up_the_next_query() -> None:
    table = Table()
    lookup = Coalesced(table.fetch)

    first = asyncio.create_task(lookup.get(1))
    await asyncio.sleep(0.005)
    await asyncio.gather(lookup.get(2), lookup.get(1), first)

    assert table.asked == [[1], [2, 1]]


async def test_a_query_that_fails_fails_for_those_who_waited_for_it_only() -> None:
    table = Table()
    lookup = Coalesced(table.fetch)
    table.failing = True

    with pytest.raises(ConnectionError):
        await lookup.get(2)

    table.failing = False
    assert await lookup.get(2) == "row 2"


async def test_one_who_gives_up_does_not_take_the_row_from_others() -> None:
    lookup = Coalesced(Table().fetch)
    impatient, patient = asyncio.create_task(lookup.get(2)), asyncio.create_task(lookup.get(2))
    await asyncio.sleep(0.001)

    impatient.cancel()

    assert await patient == "row 2"


async def test_a_query_asks_for_a_bounded_number_of_keys() -> None:
    table = Table()
    lookup = Coalesced(table.fetch)

    await asyncio.gather(*(lookup.get(key) for key in range(1200)))

    assert [len(keys) for keys in table.asked] == [500, 500, 200]
