"""The reconciler: finds what is still open between us and the gateway, and issues the commands that end it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter

from commands.credits import expire_due
from commands.missed import Marks, fetch_missed
from commands.notices import BODIES_OF_UNKNOWN_CUSTOMERS_KEPT_FOR, Notices, sweep
from commands.open_requests import OpenRequest, OpenRequests, RequestKind
from commands.ports import CommandInProgress, Context, EventStore, StoreUnavailable
from commands.usage import report_due
from consumers import open_changes, open_checkouts, open_disputes, open_refunds, open_subscriptions, open_usage
from gateways.errors import GatewayBusy, GatewayUnavailable
from gateways.port import Gateway
from runtime import leadership, postgres
from runtime.leadership import Leadership, LeadershipLost
from runtime.process import Stop
from vault.port import Vault

log = structlog.get_logger()

ACTOR = "system:reconciler"
LONGEST_WAIT = timedelta(hours=6)
PASS_EVERY_SECONDS = 1.0
FETCH_EVERY_SECONDS = 60.0
REPORT_EVERY_SECONDS = 1.0
PURGE_EVERY = timedelta(hours=1)
PURGED_AT_ONCE = 10_000

# Brings an open request closer to its end, and says how it stands.
Resolve = Callable[[OpenRequest, Context, EventStore, Gateway, Vault, OpenRequests], Awaitable[str]]

_RESOLVES: Mapping[RequestKind, Resolve] = {
    RequestKind.CHECKOUT: open_checkouts.resolve,
    RequestKind.REFUND: open_refunds.resolve,
    RequestKind.DISPUTE: open_disputes.resolve,
    RequestKind.SUBSCRIPTION: open_subscriptions.resolve,
    RequestKind.SUBSCRIPTION_CHANGE: open_changes.resolve,
    RequestKind.USAGE: open_usage.resolve,
}

# Words of theirs after which nothing more is to be asked, and after which the time to ask again is set already.
_OVER = ("ended",)
_TIMED = ("opened", "pending", "current", "repaired", "lapsed")

RECONCILED = Counter("tillstream_reconciled", "What the reconciler took up, by how it ended", ["outcome"])


@dataclass(frozen=True, slots=True)
class Reconciler:
    """One pass at a time: `reconcile(now)`. Everything it does is a command with an id of its own, so passes may overlap."""

    store: EventStore
    gateway: Gateway
    vault: Vault
    notices: Notices
    open_requests: OpenRequests
    marks: Marks

    async def reconcile(self, now: datetime, limit: int = 100) -> Mapping[str, int]:
        """Sweep notices that wait, ask about what is due, record what time has ended. Returns how many ended how."""
        swept = await sweep(self.gateway, now, self.store, self.vault, self.open_requests, self.notices, limit)
        outcomes = {f"notice_{outcome}": count for outcome, count in swept.items()}
        for kept in await self.open_requests.due(now, limit):
            outcome = f"{kept.kind}_{await self._resolve(kept, now)}"
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        expired = await expire_due(now, ACTOR, self.store)
        return outcomes | {f"credits_{outcome}": count for outcome, count in expired.items()}

    async def fetch_missed(self, now: datetime) -> Mapping[str, int]:
        """Take in what the gateway told of and no webhook brought. Returns how many ended how."""
        fetched = await fetch_missed(
            self.gateway, now, self.store, self.vault, self.open_requests, self.notices, self.marks
        )
        return {f"missed_{outcome}": count for outcome, count in fetched.items()}

    async def report_usage(self, now: datetime) -> Mapping[str, int]:
        """Have counted what was used. Returns how many ended how."""
        reported = await report_due(now, ACTOR, self.store, self.gateway, self.open_requests)
        return {f"usage_{outcome}": count for outcome, count in reported.items()}

    async def purge(self, now: datetime) -> int:
        """Forget what may not be kept any longer. Returns how many sealed records and bodies."""
        forgotten = await self.notices.purge(now - BODIES_OF_UNKNOWN_CUSTOMERS_KEPT_FOR)
        return forgotten + await self.vault.forget_expired(PURGED_AT_ONCE)

    async def _resolve(self, kept: OpenRequest, now: datetime) -> str:
        """Never raises for one request's sake: the others wait behind it."""
        context = kept.context(now, ACTOR)
        resolve = _RESOLVES[kept.kind]
        try:
            outcome = await resolve(kept, context, self.store, self.gateway, self.vault, self.open_requests)
        except StoreUnavailable:
            raise
        except GatewayBusy as error:  # No outage: nothing is wrong with this one, it only has to wait.
            await self.open_requests.postpone(kept.kind, kept.id, now + error.pause, attempts=kept.attempts)
            return error.code
        except (GatewayUnavailable, CommandInProgress) as error:
            outcome = error.code
        except Exception:
            log.exception("request_not_resolved", kind=kept.kind, id=kept.id, attempts=kept.attempts)
            outcome = "failed"
        if outcome in _OVER:
            await self.open_requests.close(kept.kind, kept.id, now)
        elif outcome not in _TIMED:
            again_at = now + _wait(kept)
            await self.open_requests.postpone(kept.kind, kept.id, again_at, attempts=kept.attempts + 1)
        return outcome


def _wait(kept: OpenRequest) -> timedelta:
    """1, 2, 4, … minutes, six hours at most."""
    return min(timedelta(minutes=2 ** min(kept.attempts, 9)), LONGEST_WAIT)


Build = Callable[[], AbstractAsyncContextManager[Reconciler]]
Work = Callable[[datetime], Awaitable[Mapping[str, int]]]


def lead(build: Build, database_url: str, stop: Stop) -> None:
    """Reconcile whenever this process leads, until it is asked to stop. Waits for Postgres where it is away."""
    while not stop:
        try:
            leader = leadership.wait(database_url, "reconciler", stop)
            if leader is None:
                return
            log.info("leading")
            with leader:
                asyncio.run(_passes(build, leader, stop))
        except (*postgres.INTERRUPTED, LeadershipLost, StoreUnavailable) as error:
            log.warning("waits_for_postgres", reason=str(error))
            stop.wait(PASS_EVERY_SECONDS)


class Aside:
    """Work that goes on beside the passes, and begins again some time after it ended. What it raises, `begin` raises."""

    def __init__(self, work: Work, every_seconds: float) -> None:
        self._work = work
        self._every_seconds = every_seconds
        self._due = 0.0
        self._task: asyncio.Task[Mapping[str, int]] | None = None

    def begin(self) -> None:
        """Begin it where it is due; report what it came to where it has ended."""
        if self._task is not None and self._task.done():
            _report(self._task.result())
            self._task, self._due = None, time.monotonic() + self._every_seconds
        if self._task is None and time.monotonic() >= self._due:
            self._task = asyncio.ensure_future(self._work(datetime.now(UTC)))

    async def end(self) -> None:
        """Give up what is under way: whoever leads next takes it up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


async def _passes(build: Build, leader: Leadership, stop: Stop) -> None:
    purge_at = datetime.now(UTC)
    async with build() as reconciler, AsyncExitStack() as ending:
        fetching = Aside(reconciler.fetch_missed, FETCH_EVERY_SECONDS)
        reporting = Aside(reconciler.report_usage, REPORT_EVERY_SECONDS)
        for aside in (fetching, reporting):
            ending.push_async_callback(aside.end)
        while not await asyncio.to_thread(stop.wait, PASS_EVERY_SECONDS):
            leader.confirm()
            fetching.begin()
            reporting.begin()
            now = datetime.now(UTC)
            _report(await reconciler.reconcile(now))
            if now >= purge_at:
                await reconciler.purge(now)
                purge_at = now + PURGE_EVERY


def _report(outcomes: Mapping[str, int]) -> None:
    for outcome, count in outcomes.items():
        RECONCILED.labels(outcome).inc(count)
        log.info("reconciled", outcome=outcome, count=count)
