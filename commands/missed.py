"""Webhooks that never arrived: the gateway lists its events, and those that were not kept yet are kept and applied."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from commands.notices import Notices, apply, command_id_of, context_of, keep
from commands.open_requests import OpenRequests
from commands.ports import EventStore, StoreUnavailable
from gateways.errors import GatewayBusy, GatewayRefused, GatewayUnavailable, NoticeUnmatched
from gateways.notices import Delivery
from gateways.port import Gateway
from runtime.postgres import Pool
from vault.port import Vault

log = structlog.get_logger()

# An event may be listed later than one that was made after it, and the gateway's clock may be behind ours.
OVERLAP = timedelta(minutes=10)
PATIENCE = timedelta(minutes=1)  # So long a webhook may be on its way before it counts as missed.
LISTED_FOR = timedelta(days=30)  # docs.stripe.com/api/events: older events are listed no more.
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a gateway's list was fetched: events made up to `until`; at `fetched_at` there were no more the last time.

    `fetched_at` is None where it was never fetched as a whole.
    """

    until: datetime
    fetched_at: datetime | None


class Marks(Protocol):
    """How far each gateway's list was fetched."""

    async def get(self, gateway: str) -> Mark | None:
        """Where it was fetched never: from when we first asked that gateway for anything. None where we never did."""
        ...

    async def put(self, gateway: str, mark: Mark) -> None: ...


async def fetch_missed(
    gateway: Gateway,
    now: datetime,
    store: EventStore,
    vault: Vault,
    open_requests: OpenRequests,
    notices: Notices,
    marks: Marks,
) -> Mapping[str, int]:
    """Fetch what the gateway lists since the last time, and take in what no webhook brought. Returns how many ended how.

    What cannot be applied `waits`, and is swept as any other notice; `gone` says that the last time is too long ago for all
    to be listed still. Each event is one command however it came, so that webhooks may arrive meanwhile.
    """
    mark = await marks.get(gateway.name)
    if mark is None:
        return {}
    outcomes = Counter[str]()
    if mark.fetched_at is not None and now - mark.fetched_at > LISTED_FOR:
        log.error(
            "events_not_listed_any_more",
            since=mark.until.isoformat(),
            how="what is still open is asked after one by one; compare the rest with the gateway's dashboard",
        )
        outcomes["gone"] += 1
    try:
        async for listed in _in_portions(gateway.missed(mark.until - OVERLAP), now - PATIENCE):
            for delivery in await _not_kept(listed, gateway.name, notices):
                outcome = await _take_in(delivery, now, store, gateway, vault, open_requests, notices)
                outcomes[outcome] += 1
            mark = replace(mark, until=max(mark.until, listed[-1].created_at))
            await marks.put(gateway.name, mark)  # What is behind us need not be walked through again, whatever happens.
    except (GatewayUnavailable, GatewayRefused) as error:
        log.warning("events_not_fetched", reason=error.message)
        outcomes[error.code] += 1
    else:
        await marks.put(gateway.name, Mark(max(mark.until, now - PATIENCE), now))
    return outcomes


async def _in_portions(deliveries: AsyncIterator[Delivery], until: datetime) -> AsyncIterator[Sequence[Delivery]]:
    """Those made until then, some at a time, oldest first."""
    portion: list[Delivery] = []
    async with aclosing(deliveries) as listed:  # type: ignore[type-var]  # a generator, as the port's `missed` is
        async for delivery in listed:
            if delivery.created_at > until:
                break
            portion.append(delivery)
            if len(portion) == AT_ONCE:
                yield portion
                portion = []
    if portion:
        yield portion


async def _not_kept(listed: Sequence[Delivery], gateway: str, notices: Notices) -> Sequence[Delivery]:
    ids = [command_id_of(gateway, delivery) for delivery in listed]
    known = await notices.known(ids)
    return [delivery for id, delivery in zip(ids, listed, strict=True) if id not in known]


async def _take_in(
    delivery: Delivery,
    now: datetime,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
    notices: Notices,
) -> str:
    """As the route for webhooks does. Never raises for one event's sake: the others stand behind it."""
    kept = await keep(delivery, gateway.name, now, store, vault, notices)
    context = context_of(kept, f"missed-{kept.command_id.hex}", now)
    try:
        return await apply(delivery, kept, context, store, gateway, open_requests, notices)
    except (NoticeUnmatched, GatewayBusy):
        return "waits"
    except StoreUnavailable:
        raise
    except Exception:
        log.exception("notice_not_applied", event_type=kept.event_type, event_id=kept.event_id)
        return "waits"


class PostgresMarks:
    """`Marks` in the table `gateway.event_marks`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, gateway: str) -> Mark | None:
        async with self._pool.connection() as connection:
            found = await connection.execute(
                "SELECT until, fetched_at FROM gateway.event_marks WHERE gateway = %s", [gateway]
            )
            row = await found.fetchone()
            if row is None:
                found = await connection.execute(
                    "SELECT min(created_at), NULL FROM gateway.requests WHERE gateway = %s", [gateway]
                )
                row = await found.fetchone()
        return None if row is None or row[0] is None else Mark(*row)

    async def put(self, gateway: str, mark: Mark) -> None:
        await self._pool.execute(
            "INSERT INTO gateway.event_marks AS known (gateway, until, fetched_at) VALUES (%s, %s, %s)"
            " ON CONFLICT (gateway) DO UPDATE SET until = greatest(known.until, excluded.until),"
            " fetched_at = greatest(known.fetched_at, excluded.fetched_at)",
            (gateway, mark.until, mark.fetched_at),
        )
