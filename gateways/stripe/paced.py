"""The SDK's HTTP client, each of whose attempts waits for its turn, and which tries again what Stripe had no room for."""

import asyncio
import random
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import stripe

from gateways.calls import CALLS, Calls, Precedence

# Stripe sends no `Retry-After` with its 429 as a rule (docs.stripe.com/rate-limits); where it does, that counts.
PAUSES_SECONDS = (0.25, 0.5, 1.0)
LONGEST_PAUSE_SECONDS = 2.0

METER_EVENTS = "/v1/billing/meter_events"

precedence: ContextVar[Precedence] = ContextVar("precedence", default=Precedence.INTERACTIVE)


class PacedClient(stripe.HTTPXClient):
    """`precedence` says how urgent the call is that is being made. `metering` has the turns of calls that report usage."""

    def __init__(self, calls: Calls, metering: Calls, timeout: Any) -> None:
        super().__init__(timeout=timeout)
        self._calls, self._metering = calls, metering

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One attempt. A 429 for too many calls is no answer: Stripe did nothing, and the same may be sent once more."""
        calls = self._metering if url.endswith(METER_EVENTS) else self._calls
        for pause in (*PAUSES_SECONDS, None):
            await calls.admit(precedence.get())
            answer = await super().request_async(method, url, headers, post_data)
            if not _too_many(answer[1], answer[2]):
                break
            CALLS.labels(precedence.get(), "rate_limited").inc()
            if pause is None:
                break
            pause = min(retry_after(answer[2]) or pause, LONGEST_PAUSE_SECONDS)
            await calls.hold_off(pause)
            await asyncio.sleep(pause * random.uniform(1.0, 1.25))
        return answer


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait, if it does."""
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None


def _too_many(status: int, headers: Mapping[str, str]) -> bool:
    """Whether there were too many calls. An object that is locked is 429 too; the SDK itself sees to that."""
    return status == 429 and headers.get("stripe-should-retry") != "true"
