"""One budget of calls for all processes, on a real table: never too many in a second, and callers who wait go first."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from gateways import calls
from gateways.calls import Precedence, SharedCalls
from gateways.errors import GatewayBusy
from runtime import postgres
from runtime.postgres import Pool
from tests.servers import fresh_database

INTERACTIVE, BACKGROUND = Precedence.INTERACTIVE, Precedence.BACKGROUND
LIMIT = 100  # 80 a second, 20 saved up, 10 of them in reserve


@pytest.fixture(scope="module")
def budgets(migrated_template: str) -> Iterator[str]:
    """One database for all of these tests."""
    with fresh_database(migrated_template) as url:
        yield url


@pytest.fixture
async def pool(budgets: str) -> AsyncIterator[Pool]:
    async with postgres.pool(budgets, name="test", size=4) as pool:
        await pool.execute("DELETE FROM gateway.call_budgets")
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


async def stand_still(pool: Pool) -> None:
    """From now on no budget fills up."""
    await pool.execute("UPDATE gateway.call_budgets SET refilled_at = refilled_at + interval '1 hour'")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PATIENCE_SECONDS", dict.fromkeys(Precedence, 0.5))


async def test_what_was_saved_up_goes_at_once_and_no_more(pool: Pool, impatient: None) -> None:
    budget = SharedCalls(pool, "stripe", LIMIT)
    await budget.admit(INTERACTIVE)
    await stand_still(pool)

    assert len(await admitted(budget, 30)) == 19


async def test_calls_that_nobody_waits_for_leave_a_reserve_to_those_that_somebody_does(
    pool: Pool, impatient: None
) -> None:
    ours, theirs = SharedCalls(pool, "stripe", LIMIT), SharedCalls(pool, "stripe", LIMIT)
    await ours.admit(INTERACTIVE)
    await stand_still(pool)

    assert len(await admitted(ours, 30, BACKGROUND)) == 9
    assert len(await admitted(theirs, 30, INTERACTIVE)) == 10


async def test_a_call_that_waits_too_long_is_given_up_with_the_time_to_come_again(pool: Pool, impatient: None) -> None:
    budget = SharedCalls(pool, "stripe", LIMIT)
    await budget.admit(INTERACTIVE)
    await budget.hold_off(10)

    with pytest.raises(GatewayBusy) as caught:
        await budget.admit(INTERACTIVE)
    assert (caught.value.type, caught.value.retry_after_seconds) == ("rate_limited", 1)


async def test_after_a_429_all_processes_hold_off(pool: Pool) -> None:
    ours, theirs = SharedCalls(pool, "stripe", LIMIT), SharedCalls(pool, "stripe", LIMIT)
    await ours.admit(INTERACTIVE)
    await ours.hold_off(0.3)
    began = time.monotonic()

    await theirs.admit(INTERACTIVE)

    assert time.monotonic() - began > 0.25


async def test_calls_that_were_given_up_take_nothing_from_the_budget(pool: Pool, impatient: None) -> None:
    budget = SharedCalls(pool, "stripe", LIMIT)
    await budget.admit(INTERACTIVE)
    await stand_still(pool)
    await pool.execute("UPDATE gateway.call_budgets SET calls = 0")
    waiting = [asyncio.create_task(budget.admit(INTERACTIVE)) for _ in range(60)]
    await asyncio.sleep(0.02)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await pool.execute("UPDATE gateway.call_budgets SET calls = 8")

    assert len(await admitted(budget, 30)) == 8


async def test_accounts_have_budgets_of_their_own(pool: Pool, impatient: None) -> None:
    one, other = SharedCalls(pool, "stripe", LIMIT), SharedCalls(pool, "another", LIMIT)
    await asyncio.gather(one.admit(INTERACTIVE), other.admit(INTERACTIVE))
    await stand_still(pool)

    assert len(await admitted(one, 30)) == len(await admitted(other, 30)) == 19


async def test_while_postgres_is_away_calls_are_let_through() -> None:
    nowhere = postgres.pool("postgresql://127.0.0.1:1/nowhere", name="none", size=1, timeout_seconds=0.05)

    assert len(await admitted(SharedCalls(nowhere, "stripe", LIMIT), 30)) == 30
