"""The reconciler: finds what is still open between us and the gateway, and issues the commands that end it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Counter

from commands.checkouts import SAME_KEY_FOR, known, open_checkout, record_opened
from commands.interpretation import interpret
from commands.notices import BODIES_OF_UNKNOWN_CUSTOMERS_KEPT_FOR, Notices, sweep
from commands.open_payments import OpenPayment, OpenPayments
from commands.ports import CommandInProgress, Context, Decided, EventStore, States, StoreUnavailable
from domain.payment import PAYMENTS, Payment, checkout
from gateways.errors import GatewayUnavailable
from gateways.port import Gateway
from runtime import leadership, postgres
from runtime.leadership import Leadership, LeadershipLost
from runtime.process import Stop
from vault.port import Vault

log = structlog.get_logger()

ACTOR = "system:reconciler"
NEVER_RECORDED_AFTER = timedelta(hours=1)
LONGEST_WAIT = timedelta(hours=6)
PASS_EVERY_SECONDS = 1.0
PURGE_EVERY = timedelta(hours=1)
PURGED_AT_ONCE = 10_000

RECONCILED = Counter("tillstream_reconciled", "What the reconciler took up, by how it ended", ["outcome"])


@dataclass(frozen=True, slots=True)
class Reconciler:
    """One pass at a time: `reconcile(now)`. Everything it does is a command with an id of its own, so passes may overlap."""

    store: EventStore
    gateway: Gateway
    vault: Vault
    notices: Notices
    open_payments: OpenPayments

    async def reconcile(self, now: datetime, limit: int = 100) -> Mapping[str, int]:
        """Sweep notices that wait, then ask about payments that are due. Returns how many ended how."""
        swept = await sweep(self.gateway, now, self.store, self.vault, self.notices, limit)
        outcomes = {f"notice_{outcome}": count for outcome, count in swept.items()}
        for kept in await self.open_payments.due(now, limit):
            outcome = f"payment_{await self._resolve(kept, now)}"
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        return outcomes

    async def purge(self, now: datetime) -> int:
        """Forget what may not be kept any longer. Returns how many sealed records and bodies."""
        forgotten = await self.notices.purge(now - BODIES_OF_UNKNOWN_CUSTOMERS_KEPT_FOR)
        return forgotten + await self.vault.forget_expired(PURGED_AT_ONCE)

    async def _resolve(self, kept: OpenPayment, now: datetime) -> str:
        """Never raises for one payment's sake: the others wait behind it."""
        try:
            outcome = await self._ask_about(kept, now)
        except StoreUnavailable:
            raise
        except (GatewayUnavailable, CommandInProgress) as error:
            outcome = error.code
        except Exception:
            log.exception("payment_not_resolved", payment_id=kept.payment_id, attempts=kept.attempts)
            outcome = "failed"
        if outcome == "ended":
            await self.open_payments.close(kept.payment_id, now)
        elif outcome != "opened":  # Opening set the time to ask again itself.
            await self.open_payments.postpone(kept.payment_id, now + _wait(kept), attempts=kept.attempts + 1)
        return outcome

    async def _ask_about(self, kept: OpenPayment, now: datetime) -> str:
        payment = await self.store.load(PAYMENTS.at(kept.payment_id))
        if payment is None:
            return "ended" if now - kept.created_at > NEVER_RECORDED_AFTER else "not_recorded"
        if payment.status.ended:
            return "ended"
        if payment.checkout_id is not None:
            return await self._ask(payment, payment.checkout_id, kept, now)
        if now - kept.created_at <= SAME_KEY_FOR:
            return await self._open(kept, now)
        return await self._look_for(kept, now)

    async def _ask(self, payment: Payment, checkout_id: str, kept: OpenPayment, now: datetime) -> str:
        context = kept.context(now, ACTOR)
        for notice in await self.gateway.ask(checkout_id):
            await interpret(notice, context.step(f"asked/{notice}"), self.store, self.gateway)
        after = await self.store.load(PAYMENTS.at(payment.payment_id))
        return "ended" if after is not None and after.status.ended else "still_open"

    async def _open(self, kept: OpenPayment, now: datetime) -> str:
        """The same request under the same key: whichever of us asks, the gateway opens one page."""
        context = kept.context(now, ACTOR)
        receipt = await open_checkout(kept, context, self.store, self.gateway, self.vault, self.open_payments)
        return "opened" if receipt.answer.get("checkout_session_id") else "still_unconfirmed"

    async def _look_for(self, kept: OpenPayment, now: datetime) -> str:
        """Too late for the key: page through what the gateway has for one that carries the payment's id."""
        context = kept.context(now, ACTOR)
        found = await self.gateway.find_checkouts(kept.payment_id, kept.created_at)
        if found:
            await record_opened(kept, found[0], context, self.store, self.open_payments)
            return "found"
        await self._expire(kept, context)
        return "ended"

    async def _expire(self, kept: OpenPayment, context: Context) -> None:
        stream = PAYMENTS.at(kept.payment_id)

        def decide(states: States) -> Decided:
            facts = checkout.expire(known(states, stream), "no checkout was ever opened")
            return Decided([stream.facts(*facts)], {"payment_id": kept.payment_id})

        await self.store.record(context.step("expired"), [stream], decide)


def _wait(kept: OpenPayment) -> timedelta:
    """1, 2, 4, … minutes, six hours at most."""
    return min(timedelta(minutes=2 ** min(kept.attempts, 9)), LONGEST_WAIT)


Build = Callable[[], AbstractAsyncContextManager[Reconciler]]


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


async def _passes(build: Build, leader: Leadership, stop: Stop) -> None:
    purge_at = datetime.now(UTC)
    async with build() as reconciler:
        while not await asyncio.to_thread(stop.wait, PASS_EVERY_SECONDS):
            leader.confirm()
            now = datetime.now(UTC)
            for outcome, count in (await reconciler.reconcile(now)).items():
                RECONCILED.labels(outcome).inc(count)
                log.info("reconciled", outcome=outcome, count=count)
            if now >= purge_at:
                await reconciler.purge(now)
                purge_at = now + PURGE_EVERY
