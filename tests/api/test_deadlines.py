"""What takes too long is ended, and nothing else is."""

import asyncio
import time

import pytest

from api.deadlines import Deadlines, Watch


async def watched(deadlines: Deadlines, seconds: float) -> str:
    """Sleep while being watched. Says how it came out."""
    watch = Watch(time.perf_counter())
    deadlines.begin(watch)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if not watch.ended_it():
            raise
        return "ended"
    finally:
        deadlines.end(watch)
    return "through"


async def test_only_what_takes_too_long_is_ended() -> None:
    deadlines = Deadlines(0.2)

    assert await asyncio.gather(*(watched(deadlines, seconds) for seconds in (60, 0, 60, 0.01))) == [
        *("ended", "through", "ended", "through"),
    ]


async def test_who_begins_later_is_ended_later() -> None:
    deadlines = Deadlines(0.3)
    first = asyncio.create_task(watched(deadlines, 60))
    await asyncio.sleep(0.2)
    later = asyncio.create_task(watched(deadlines, 60))

    assert await first == "ended"
    assert not later.done()
    assert await later == "ended"


async def test_after_all_went_well_it_watches_again() -> None:
    deadlines = Deadlines(0.1)
    assert await watched(deadlines, 0) == "through"
    await asyncio.sleep(0.2)

    assert await watched(deadlines, 60) == "ended"


async def test_who_is_canceled_by_somebody_else_stays_canceled() -> None:
    deadlines = Deadlines(60)
    task = asyncio.create_task(watched(deadlines, 60))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_was_ended_goes_on_as_if_nothing_had_been_canceled() -> None:
    async def twice() -> tuple[str, int]:
        said = await watched(Deadlines(0.01), 60)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return said, task.cancelling()

    assert await asyncio.create_task(twice()) == ("ended", 0)
