"""How many calls an account at a gateway takes: one budget, which all processes share through Postgres.

Filled at a steady rate, up to a most: what is saved up may go at once. A process takes what it needs at this moment, for all
its callers in one statement, and hoards nothing; so in any second no more than `most` and a second's filling go out, however
many processes there are. Calls that somebody waits for go first: others leave them a reserve.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import NoReturn, Protocol

import psycopg
import structlog
from prometheus_client import Counter, Histogram

from gateways.errors import GatewayBusy
from runtime.postgres import Pool

log = structlog.get_logger()

_TAKE = files(__package__).joinpath("calls.take.sql").read_text()
_SHORTEST_SLEEP_SECONDS = 0.01
_LONGEST_SLEEP_SECONDS = 0.25

CALLS = Counter(
    "tillstream_gateway_calls",
    "Calls to the gateway: let through, given up because the budget was dry, or answered by it with 429.",
    ["precedence", "outcome"],
)
WAITED = Histogram(
    "tillstream_gateway_call_wait_seconds",
    "How long calls waited for their turn.",
    ["precedence"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10),
)


class Precedence(StrEnum):
    """Who waits for an answer: a caller, or nobody."""

    INTERACTIVE = "interactive"
    BACKGROUND = "background"


# How long a call waits for its turn before it is given up: within what an adapter gives a call, its retries included.
PATIENCE_SECONDS: Mapping[Precedence, float] = {Precedence.INTERACTIVE: 2.0, Precedence.BACKGROUND: 4.0}


class Calls(Protocol):
    """Whose turn it is to call."""

    async def admit(self, precedence: Precedence) -> None:
        """Return once one call may be made. Raises `GatewayBusy` where that takes too long: nothing was asked then."""
        ...

    async def hold_off(self, seconds: float) -> None:
        """The gateway has said that there were too many: for so long nobody is to call."""
        ...


class Unlimited:
    """`Calls` to an account that takes any number."""

    async def admit(self, precedence: Precedence) -> None:
        CALLS.labels(precedence, "let_through").inc()

    async def hold_off(self, seconds: float) -> None:
        """Only the one who was answered so waits, as it does anyway."""


class SharedCalls:
    """`Calls` in the table `gateway.call_budgets`, of at most `per_second` in any second.

    Four fifths of it are the steady rate, a fifth may be saved up, and half of that is the reserve. While Postgres does not
    answer, every call is let through: the gateway refuses what is too much for it.
    """

    def __init__(self, pool: Pool, name: str, per_second: float) -> None:
        self._pool = pool
        self._per_second = 0.8 * per_second
        most = max(1.0, 0.2 * per_second)
        self._bound = {
            "name": name,
            "most": most,
            "per_second": self._per_second,
            "reserve": most // 2,
        }
        self._waiting: dict[Precedence, deque[asyncio.Future[None]]] = {one: deque() for one in Precedence}
        self._granting: asyncio.Task[None] | None = None

    async def admit(self, precedence: Precedence) -> None:
        began = time.monotonic()
        turn = asyncio.get_running_loop().create_future()
        self._waiting[precedence].append(turn)
        if self._granting is None or self._granting.done():
            self._granting = asyncio.create_task(self._grant(), name="gateway calls")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS[precedence]):
                await turn
        except TimeoutError:
            self._give_up(precedence)
        CALLS.labels(precedence, "let_through").inc()
        WAITED.labels(precedence).observe(time.monotonic() - began)

    async def hold_off(self, seconds: float) -> None:
        try:
            await self._pool.execute(
                "UPDATE gateway.call_budgets SET refilled_at = clock_timestamp(),"
                " calls = least(calls + %(per_second)s * extract(epoch FROM clock_timestamp() - refilled_at), %(debt)s)"
                " WHERE name = %(name)s",
                {**self._bound, "debt": -seconds * self._per_second},
            )
        except psycopg.Error as error:
            log.warning("call_budget_away", reason=str(error))

    def _give_up(self, precedence: Precedence) -> NoReturn:
        CALLS.labels(precedence, "dry").inc()
        ahead = 1 + sum(len(waiting) for waiting in self._waiting.values())
        raise GatewayBusy(
            "The payment gateway takes no more calls from this service at the moment, so it was not asked; ask again in a"
            " moment.",
            retry_after_seconds=1 + round(ahead / self._per_second),
        )

    async def _grant(self) -> None:
        """Take calls as long as anybody waits, and hand them out in the order in which they were asked for."""
        while wishes := self._wishes():
            granted, left = await self._take(wishes)
            for precedence, number in granted.items():
                self._hand_out(precedence, number)
            if any(granted[precedence] < wished for precedence, wished in wishes.items()):
                wait = (1 - left) / self._per_second
                await asyncio.sleep(min(max(wait, _SHORTEST_SLEEP_SECONDS), _LONGEST_SLEEP_SECONDS))

    def _wishes(self) -> dict[Precedence, int]:
        for waiting in self._waiting.values():
            while waiting and waiting[0].done():  # Given up meanwhile.
                waiting.popleft()
        wishes = {one: sum(not turn.done() for turn in waiting) for one, waiting in self._waiting.items()}
        return {one: wished for one, wished in wishes.items() if wished}

    async def _take(self, wishes: Mapping[Precedence, int]) -> tuple[dict[Precedence, int], float]:
        """How many are granted, and how many are left then."""
        bound = {**self._bound, **{str(one): wishes.get(one, 0) for one in Precedence}}
        try:
            async with self._pool.connection() as connection:
                row = await (await connection.execute(_TAKE, bound)).fetchone()
                if row is None:
                    await connection.execute(
                        "INSERT INTO gateway.call_budgets VALUES (%(name)s, %(most)s, clock_timestamp())"
                        " ON CONFLICT DO NOTHING",
                        self._bound,
                    )
                    row = await (await connection.execute(_TAKE, bound)).fetchone()
        except psycopg.Error as error:
            log.warning("call_budget_away", reason=str(error))
            return dict(wishes), 1.0
        assert row is not None, "inserted just now"
        interactive, background, left = row
        return {Precedence.INTERACTIVE: interactive, Precedence.BACKGROUND: background}, left

    def _hand_out(self, precedence: Precedence, number: int) -> None:
        waiting = self._waiting[precedence]
        while number and waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                number -= 1
