"""Rate limits: how many calls a second the account takes, as a whole and at one endpoint. None at the start."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable

from sandbox.stripe.errors import StripeRefusal, rate_limited

SECOND = 1.0


class Limits:
    """Calls of the last second, by the time of day, whatever the look-alike's clock says.

    Stripe takes 100 a second live and 25 in a sandbox, 25 at one endpoint (docs.stripe.com/rate-limits).
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)
        self.per_second: int | None = None
        self.per_endpoint: int | None = None

    def set(self, per_second: int | None, per_endpoint: int | None) -> None:
        """None: without limit. Refuses (400) what is no number of calls."""
        for limit in (per_second, per_endpoint):
            if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
                raise StripeRefusal(400, "per_second and per_endpoint are whole numbers from 1 up, or null.")
        self.per_second, self.per_endpoint = per_second, per_endpoint
        self._calls.clear()

    def admit(self, endpoint: str) -> None:
        """Refuses (429) a call that is one too many. A call that is refused does not count."""
        counted = [("", self.per_second), (endpoint, self.per_endpoint)]
        if any(limit is not None and len(self._recent(name)) >= limit for name, limit in counted):
            raise rate_limited()
        for name, limit in counted:
            if limit is not None:
                self._calls[name].append(self._now())

    def _recent(self, name: str) -> deque[float]:
        calls = self._calls[name]
        while calls and calls[0] <= self._now() - SECOND:
            calls.popleft()
        return calls
