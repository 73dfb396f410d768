"""Notices: what a gateway delivers is kept, sealed, before it is answered; then it is applied, once, and swept until it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID, uuid5

import structlog

from commands.interpretation import interpret
from commands.open_requests import OpenRequests
from commands.ports import Context, EventStore, StoreUnavailable
from domain.payment import PAYMENTS
from gateways.errors import GatewayBusy, NoticeUnmatched
from gateways.notices import Delivery
from gateways.port import Gateway
from runtime.postgres import Pool
from vault.port import SealedRecord, Shredded, Vault

log = structlog.get_logger()

SEALED_KIND = "webhook"
GIVE_UP_AFTER = timedelta(days=3)  # As long as Stripe itself goes on delivering.
BODIES_OF_UNKNOWN_CUSTOMERS_KEPT_FOR = timedelta(days=30)

_NAMESPACE = UUID("8f0a2b1e-2f1d-5d8b-b0a4-4f6f0f1a7c55")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A delivery as it stands in the table, its body sealed."""

    command_id: UUID
    gateway: str
    account: str
    livemode: bool
    event_id: str
    event_type: str
    api_version: str
    created_at: datetime
    received_at: datetime
    body: SealedRecord
    attempts: int = 0


class Notices(Protocol):
    """Deliveries in the order in which they are due. One that comes again is kept once."""

    async def keep(self, notice: Kept) -> None: ...

    async def known(self, command_ids: Sequence[UUID]) -> frozenset[UUID]:
        """Those of these that are kept."""
        ...

    async def settle(self, command_id: UUID, outcome: str, now: datetime) -> None:
        """Mark it as done with: `applied`, `irrelevant`, `unmatched` or `shredded`."""
        ...

    async def postpone(self, command_id: UUID, due_at: datetime) -> None: ...

    async def due(self, now: datetime, limit: int) -> Sequence[Kept]: ...

    async def purge(self, received_before: datetime) -> int:
        """Forget the bodies of unknown customers that were received before then. Returns how many."""
        ...


def command_id_of(gateway: str, delivery: Delivery) -> UUID:
    """The id of the command that applies this delivery, however often it is delivered."""
    return uuid5(_NAMESPACE, f"{gateway}/{delivery.account}/{delivery.livemode}/{delivery.event_id}")


async def keep(
    delivery: Delivery, gateway: str, now: datetime, store: EventStore, vault: Vault, notices: Notices
) -> Kept:
    """Seal the raw body and keep it. Once this returns, the gateway may be told that all is well."""
    owner = await _owner(delivery, gateway, store)
    command_id = command_id_of(gateway, delivery)
    content = {"body": delivery.body.decode()}
    try:
        body = await vault.seal(owner, SEALED_KIND, str(command_id), content)
    except Shredded:  # Erased since: what comes now is kept like a stranger's, and not for long.
        body = await vault.seal(unknown_customers_of(gateway), SEALED_KIND, str(command_id), content)
    kept = Kept(
        command_id=command_id,
        gateway=gateway,
        account=delivery.account,
        livemode=delivery.livemode,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        api_version=delivery.api_version,
        created_at=delivery.created_at,
        received_at=now,
        body=body,
    )
    await notices.keep(kept)
    return kept


async def apply(
    delivery: Delivery,
    kept: Kept,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    open_requests: OpenRequests,
    notices: Notices,
) -> str:
    """Record what the delivery means and mark it. Returns the outcome; raises where it must be tried again."""
    receipt = await interpret(delivery.notice, context, store, gateway, open_requests)
    outcome = "irrelevant" if receipt is None else "applied"
    await notices.settle(kept.command_id, outcome, context.now)
    return outcome


async def sweep(
    gateway: Gateway,
    now: datetime,
    store: EventStore,
    vault: Vault,
    open_requests: OpenRequests,
    notices: Notices,
    limit: int = 100,
) -> Mapping[str, int]:
    """Try again what could not be applied when it came. Returns how many ended how."""
    outcomes: dict[str, int] = {}
    for kept in await notices.due(now, limit):
        outcome = await _try_again(kept, gateway, now, store, vault, open_requests, notices)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


def context_of(kept: Kept, request_id: str, now: datetime) -> Context:
    """A notice's command: its id and cause are the gateway's event, so that it happens once."""
    return Context(
        command_id=kept.command_id,
        fingerprint=sha256(kept.event_id.encode()).digest(),
        project_id="",
        actor=f"gateway:{kept.gateway}",
        request_id=request_id,
        causation_id=kept.event_id,
        now=now,
    )


async def _try_again(
    kept: Kept,
    gateway: Gateway,
    now: datetime,
    store: EventStore,
    vault: Vault,
    open_requests: OpenRequests,
    notices: Notices,
) -> str:
    try:
        content = await vault.open_bytes(kept.body)
        delivery = gateway.reread(content["body"].encode())
        context = context_of(kept, f"sweep-{kept.command_id.hex}", now)
        return await apply(delivery, kept, context, store, gateway, open_requests, notices)
    except NoticeUnmatched:
        if now - kept.received_at > GIVE_UP_AFTER:
            await notices.settle(kept.command_id, "unmatched", now)
            return "unmatched"
    except Shredded:
        await notices.settle(kept.command_id, "shredded", now)
        return "shredded"
    except StoreUnavailable:
        raise
    except GatewayBusy as error:
        await notices.postpone(kept.command_id, now + error.pause)
        return "postponed"
    except Exception:
        log.exception("notice_not_applied", event_type=kept.event_type, event_id=kept.event_id, attempts=kept.attempts)
    await notices.postpone(kept.command_id, now + backoff(kept.attempts))
    return "postponed"


def backoff(attempts: int) -> timedelta:
    """1, 2, 4, … seconds, an hour at most."""
    return timedelta(seconds=min(2.0 ** min(attempts, 12), 3600))


async def _owner(delivery: Delivery, gateway: str, store: EventStore) -> str:
    """Whose it is: by our payment, which the gateway was told of, or by the gateway's own, which the store knows."""
    payment_id = delivery.payment_id
    if payment_id is None and delivery.gateway_payment_id is not None:
        payment_id = await store.find("gateway_payment", delivery.gateway_payment_id)
    if payment_id is None:
        return unknown_customers_of(gateway)
    payment = await store.load(PAYMENTS.at(payment_id))
    return unknown_customers_of(gateway) if payment is None else payment.customer_id


def unknown_customers_of(gateway: str) -> str:
    """The owner of what names a customer that we cannot name: its key seals for thirty days."""
    return f"gateway_{gateway}"


class PostgresNotices:
    """`Notices` in the table `gateway.notices`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, notice: Kept) -> None:
        await self._pool.execute(
            "INSERT INTO gateway.notices (account, livemode, event_id, gateway, command_id, event_type, api_version,"
            " created_at, received_at, owner, sealed, due_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (
                notice.account,
                notice.livemode,
                notice.event_id,
                notice.gateway,
                notice.command_id,
                notice.event_type,
                notice.api_version,
                notice.created_at,
                notice.received_at,
                notice.body.owner,
                notice.body.sealed,
                notice.received_at + timedelta(seconds=5),
            ),
        )

    async def known(self, command_ids: Sequence[UUID]) -> frozenset[UUID]:
        async with self._pool.connection() as connection:
            found = await connection.execute(
                "SELECT command_id FROM gateway.notices WHERE command_id = ANY (%b)", [list(command_ids)]
            )
            return frozenset(command_id for (command_id,) in await found.fetchall())

    async def settle(self, command_id: UUID, outcome: str, now: datetime) -> None:
        await self._pool.execute(
            "UPDATE gateway.notices SET applied_at = %s, outcome = %s WHERE command_id = %s AND applied_at IS NULL",
            (now, outcome, command_id),
        )

    async def postpone(self, command_id: UUID, due_at: datetime) -> None:
        await self._pool.execute(
            "UPDATE gateway.notices SET due_at = %s, attempts = attempts + 1 WHERE command_id = %s",
            (due_at, command_id),
        )

    async def due(self, now: datetime, limit: int) -> Sequence[Kept]:
        rows = await self._pool.rows(
            "SELECT * FROM gateway.notices WHERE applied_at IS NULL AND due_at <= %s ORDER BY due_at LIMIT %s",
            (now, limit),
        )
        return [_kept(row) for row in rows]

    async def purge(self, received_before: datetime) -> int:
        return await self._pool.execute(
            "UPDATE gateway.notices SET sealed = ''"
            " WHERE owner LIKE 'gateway\\_%%' AND received_at < %s AND applied_at IS NOT NULL AND sealed <> ''",
            (received_before,),
        )


def _kept(row: Mapping[str, Any]) -> Kept:
    return Kept(
        command_id=row["command_id"],
        gateway=row["gateway"],
        account=row["account"],
        livemode=row["livemode"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        api_version=row["api_version"],
        created_at=row["created_at"],
        received_at=row["received_at"],
        body=SealedRecord(row["owner"], SEALED_KIND, str(row["command_id"]), row["sealed"]),
        attempts=row["attempts"],
    )
