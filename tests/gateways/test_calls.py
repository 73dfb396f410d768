"""One budget of calls for all processes, on a real table: never too many in a second, and callers who wait go first."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from gateways import calls
from gateways.calls import Precedence, SharedCalls
from gateways.errors import GatewayBusy
from runtime import postgres
from runtime.postgres import Pool

INTERACTIVE, BACKGROUND = Precedence.INTERACTIVE, Precedence.BACKGROUND
LIMIT = 100  # 80 a second, 20 saved up, 10 of them in reserve


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with postgres.pool(database_url, name="test", size=4) as pool:
        yield pool


async def admitted(budget: SharedCalls, number: int, precedence: Precedence = INTERACTIVE) -> Sequence[float]:
    """When each of so many calls, asked for at once, was let through; those that were given up left out."""

    async def one() -> float | None:
        try:
            await budget.admit(precedence)
        except GatewayBusy:
            return None
        return time.monotonic()

    found = await asyncio.gather(*(one() for _ in range(number)))
    return sorted(moment for moment in found if moment is not None)


async def test_processes_share_one_budget_and_never_exceed_it(pool: Pool) -> None:
    """Three of them, each of which would take all of it: 20 saved up, then 80 a second."""
    processes = [SharedCalls(pool, "stripe", LIMIT) for _ in range(3)]
    began = time.monotonic()

    found = await asyncio.gather(*(admitted(one, 30) for one in processes))

    moments = sorted(moment for one in found for moment in one)
    assert len(moments) == 90
    assert all(number <= 21 + 80 * (moment - began) for number, moment in enumerate(moments, start=1))


async def test_what_was_saved_up_goes_at_once(pool: Pool) -> None:
    moments = await admitted(SharedCalls(pool, "stripe", LIMIT), 20)

    assert moments[-1] - moments[0] < 0.2


async def test_calls_that_somebody_waits_for_overtake_the_others(pool: Pool) -> None:
    ours, theirs = SharedCalls(pool, "stripe", LIMIT), SharedCalls(pool, "stripe", LIMIT)
    patient = asyncio.create_task(admitted(ours, 30, BACKGROUND))
    await asyncio.sleep(0.05)  # They have taken all but the reserve.

    urgent = await admitted(theirs, 30)

    assert urgent[9] < (await patient)[12], "ten were there for them"
    assert urgent[-1] < (await patient)[15]


async def test_a_call_that_waits_too_long_is_given_up_with_the_time_to_come_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PATIENCE_SECONDS", {INTERACTIVE: 0.1, BACKGROUND: 0.1})
    budget = SharedCalls(pool, "stripe", LIMIT)
    await budget.admit(INTERACTIVE)
    await budget.hold_off(1)

    with pytest.raises(GatewayBusy) as caught:
        await budget.admit(INTERACTIVE)

    assert (caught.value.type, caught.value.retry_after_seconds) == ("rate_limited", 1)
    await asyncio.sleep(1)
    await budget.admit(INTERACTIVE)


async def test_after_a_429_all_processes_hold_off(pool: Pool) -> None:
    ours, theirs = SharedCalls(pool, "stripe", LIMIT), SharedCalls(pool, "stripe", LIMIT)
    await ours.admit(INTERACTIVE)
    await ours.hold_off(0.3)
    began = time.monotonic()

    await theirs.admit(INTERACTIVE)

    assert 0.25 < time.monotonic() - began < 1


async def test_calls_that_were_given_up_take_nothing_from_the_budget(pool: Pool) -> None:
    budget = SharedCalls(pool, "stripe", LIMIT)
    waiting = [asyncio.create_task(budget.admit(INTERACTIVE)) for _ in range(60)]
    await asyncio.sleep(0.02)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.1)

    assert len(await admitted(budget, 8)) == 8


async def test_accounts_have_budgets_of_their_own(pool: Pool) -> None:
    one, other = SharedCalls(pool, "stripe", LIMIT), SharedCalls(pool, "another", LIMIT)
    await admitted(one, 20)
    began = time.monotonic()

    await admitted(other, 20)

    assert time.monotonic() - began < 0.2


async def test_while_postgres_is_away_calls_are_let_through() -> None:
    nowhere = postgres.pool("postgresql://127.0.0.1:1/nowhere", name="none", size=1, timeout_seconds=0.05)

    assert len(await admitted(SharedCalls(nowhere, "stripe", LIMIT), 30)) == 30
