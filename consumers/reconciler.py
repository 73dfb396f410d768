"""The reconciler: finds what is still open between us and the gateway, and issues the commands that end it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from commands.checkouts import SAME_KEY_FOR, known, open_checkout, record_opened
from commands.notices import BODIES_OF_UNKNOWN_CUSTOMERS_KEPT_FOR, Notices, sweep
from commands.open_payments import OpenPayment, OpenPayments
from commands.ports import CommandInProgress, Context, Decided, EventStore, States, StoreUnavailable
from commands.settlement import settle
from domain.payment import PAYMENTS, Payment, checkout
from gateways.errors import GatewayUnavailable
from gateways.port import Gateway
from vault.port import Vault

log = structlog.get_logger()

ACTOR = "system:reconciler"
NEVER_RECORDED_AFTER = timedelta(hours=1)
LONGEST_WAIT = timedelta(hours=6)


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
        outcomes = Counter({f"notice_{key}": count for key, count in (await self._sweep(now, limit)).items()})
        for kept in await self.open_payments.due(now, limit):
            outcomes[f"payment_{await self._resolve(kept, now)}"] += 1
        return outcomes

    async def purge(self, now: datetime) -> int:
        """Forget what may not be kept any longer. Returns how many bodies."""
        return await self.notices.purge(now - BODIES_OF_UNKNOWN_CUSTOMERS_KEPT_FOR)

    async def _sweep(self, now: datetime, limit: int) -> Mapping[str, int]:
        return await sweep(self.gateway, now, self.store, self.vault, self.notices, limit)

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
            await settle(notice, context.step(f"asked/{type(notice).__name__}"), self.store)
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
