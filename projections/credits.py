"""Credits: what every wallet holds, what is left of each grant, and the ledger of how it came to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from psycopg import Cursor
from psycopg.rows import class_row, dict_row

from domain.wallet import (
    DEFAULT_PRIORITY,
    CreditsFrozen,
    CreditsGranted,
    CreditsHeld,
    CreditsPurchased,
    CreditsRestored,
    CreditsUnfrozen,
    Portion,
    WalletEvent,
)
from projections.as_of import folded
from projections.statements import beside, on
from projections.tables import Table
from runtime.postgres import Pool
from schemas.envelope import Recorded
from schemas.names import EVENTS

name = "credits"
topics = frozenset({"credits"})
stream_prefixes = ("wal_",)
stream_column = "wallet_id"
tables = beside(__file__)

_WALLETS = Table(__file__, "wallets", merge="apply_wallets")
_GRANTS = Table(__file__, "grants", merge="apply_grants")
_ENTRIES = Table(__file__, "entries")

_OF_USER = beside(__file__, "of_user")
_BALANCES = """
    SELECT wallet_id, credit_type, balance, held, coalesce(frozen, false) AS frozen, version,
           (SELECT min(g.expires_at) FROM {schema}.grants g
             WHERE g.wallet_id = w.wallet_id AND g.remaining > 0 AND g.expires_at IS NOT NULL) AS next_expiry
      FROM {schema}.wallets w
     WHERE project_id = %s AND user_id = %s ORDER BY credit_type
"""
_TOTALS = """
    SELECT credit_type, sum(balance)::bigint AS balance, sum(held)::bigint AS held,
           sum(greatest(balance - held, 0))::bigint AS available, count(*) AS wallets
      FROM {schema}.wallets
     WHERE project_id = %s GROUP BY credit_type ORDER BY credit_type
"""

Said = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a customer holds of one credit type. `next_expiry`: when something of it expires next, if ever."""

    wallet_id: str
    credit_type: str
    balance: int
    held: int
    frozen: bool
    version: int
    next_expiry: datetime | None

    @property
    def available(self) -> int:
        return max(0, self.balance - self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What all customers of a project hold of one credit type together. A debt of one lessens no other's `available`."""

    credit_type: str
    balance: int
    held: int
    available: int
    wallets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the ledger. `paid_by`: of its portions' grants, the payments that paid for them, by entry id.

    `details` has what else its fact says, under the fact's own names.
    """

    entry_id: str
    credit_type: str
    kind: str
    amount: int
    balance: int
    held: int
    portions: Sequence[Mapping[str, Any]]
    details: Mapping[str, Any]
    recorded_at: datetime
    position: int
    paid_by: Mapping[str, str] | None


# The fold. Every fact carries the balance after it, so a wallet's row is what its last fact says, save for whether it is
# frozen, of which only freezes speak. A portion carries what is left of its grant.


def wallet(fact: Recorded) -> Said:
    """What one fact says of its wallet."""
    event = cast(WalletEvent, fact.event)
    said = {
        "wallet_id": fact.stream,
        "project_id": fact.project_id,
        "user_id": event.user_id,
        "credit_type": event.credit_type,
        "balance": event.balance,
        "held": event.held,
        "updated_at": fact.recorded_at,
        "version": fact.version,
        "position": fact.position,
    }
    if isinstance(event, CreditsFrozen | CreditsUnfrozen):
        said["frozen"] = bool(event.freezes)
    return said


def grants(fact: Recorded) -> Iterator[Said]:
    """What one fact says of grants: of one that is new, and of those that it takes from or gives back to."""
    event = cast(WalletEvent, fact.event)
    shown_at = {"wallet_id": fact.stream, "version": fact.version, "position": fact.position}
    for portion in _portions(event):
        yield {"entry_id": portion.entry_id, "remaining": portion.remaining, **_new(event, portion, fact), **shown_at}


def entry(fact: Recorded) -> Said:
    """The ledger entry that this fact is. `kind` is the fact's own word: `purchased`."""
    event = cast(WalletEvent, fact.event)
    details = {name: value for name in _DETAILS[type(event)] if (value := getattr(event, name)) is not None}
    return {
        "wallet_id": fact.stream,
        "version": fact.version,
        "entry_id": event.entry_id,
        "kind": fact.type.partition(".")[2],
        "amount": event.amount,
        "balance": event.balance,
        "held": event.held,
        "portions": getattr(event, "portions", ()),
        "details": details,
        "recorded_at": fact.recorded_at,
        "position": fact.position,
    }


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
    """Write one row per wallet, one per grant that is new or touched, and one entry per fact."""
    of_wallets: dict[str, Said] = {}
    of_grants: dict[tuple[str, str], Said] = {}
    for fact in facts:
        of_wallets[fact.stream] = {**of_wallets.get(fact.stream, {}), **wallet(fact)}
        for said in grants(fact):
            key = (fact.stream, said["entry_id"])
            of_grants[key] = {**of_grants.get(key, {}), **said}
    _WALLETS.write([of_wallets[key] for key in sorted(of_wallets)], cursor, schema)
    _GRANTS.write([of_grants[key] for key in sorted(of_grants)], cursor, schema)
    _ENTRIES.write([entry(fact) for fact in facts], cursor, schema)


def _portions(event: WalletEvent) -> Sequence[Portion]:
    match event:
        case CreditsPurchased() | CreditsGranted():
            return [Portion(entry_id=event.entry_id, amount=event.amount, remaining=event.amount - event.paid_debt)]
        case CreditsFrozen() | CreditsUnfrozen() | CreditsHeld():
            return []
    return event.portions


def _new(event: WalletEvent, portion: Portion, fact: Recorded) -> Said:
    """What is said once of a grant, where this fact brings it."""
    if portion.entry_id != event.entry_id:
        return {}
    said = {"kind": fact.type.partition(".")[2], "amount": portion.amount, "granted_at": fact.recorded_at}
    if isinstance(event, CreditsRestored):
        return {**said, "priority": DEFAULT_PRIORITY}
    assert isinstance(event, CreditsPurchased | CreditsGranted), "no other fact brings credits"
    return {
        **said,
        "priority": event.priority,
        "expires_at": event.expires_at,
        "payment_id": event.payment_id,
    }


_COMMON = frozenset({"wallet_id", "user_id", "credit_type", "entry_id", "amount", "balance", "held", "portions"})
_DETAILS: Mapping[type, Sequence[str]] = {
    cls: [field.name for field in fields(cls) if field.name not in _COMMON] for cls in EVENTS.values()
}


# The queries.


async def balances(pool: Pool, schema: str, project_id: str, user_id: str) -> Sequence[Balance]:
    """What a project's customer holds, by credit type; nothing for one who never held any."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Balance)) as cursor:
        return await (await cursor.execute(on(schema, _BALANCES), [project_id, user_id])).fetchall()


async def entries(
    pool: Pool,
    schema: str,
    project_id: str,
    user_id: str,
    *,
    credit_type: str | None,
    before_position: int | None,
    limit: int,
) -> Sequence[Entry]:
    """A customer's ledger, newest first, over all credit types or one, from below a position on."""
    parameters = {
        "project_id": project_id,
        "user_id": user_id,
        "any_type": credit_type is None,
        "credit_type": credit_type,
        "before": 2**63 - 1 if before_position is None else before_position,
        "limit": limit,
    }
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return [Entry(**row) async for row in await cursor.execute(on(schema, _OF_USER), parameters)]


async def balances_as_of(pool: Pool, schema: str, project_id: str, user_id: str, position: int) -> Sequence[Balance]:
    """What a customer held at a position of the log, of those types that they have ever held."""
    wallets = [balance.wallet_id for balance in await balances(pool, schema, project_id, user_id)]
    held = await folded(pool, wallets, position, _all_said, _together)
    return [_balance(said) for said in held.values()]


def _all_said(fact: Recorded) -> Said:
    """What one fact says of its wallet, and under `grants` of grants, by entry id."""
    return {**wallet(fact), "grants": {said["entry_id"]: said for said in grants(fact)}}


def _together(earlier: Said, later: Said) -> Said:
    of_grants = dict(earlier["grants"])
    for entry_id, said in later["grants"].items():
        of_grants[entry_id] = {**of_grants.get(entry_id, {}), **said}
    return {**earlier, **later, "grants": of_grants}


def _balance(said: Said) -> Balance:
    ends = (grant["expires_at"] for grant in said["grants"].values() if grant["remaining"] and grant.get("expires_at"))
    return Balance(
        wallet_id=said["wallet_id"],
        credit_type=said["credit_type"],
        balance=said["balance"],
        held=said["held"],
        frozen=said.get("frozen", False),
        version=said["version"],
        next_expiry=min(ends, default=None),
    )


async def project_totals(pool: Pool, schema: str, project_id: str) -> Sequence[Total]:
    """What all customers of a project hold, summed up by credit type."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Total)) as cursor:
        return await (await cursor.execute(on(schema, _TOTALS), [project_id])).fetchall()


async def versions(pool: Pool, schema: str, streams: Sequence[str]) -> Mapping[str, int]:
    """The versions that the wallets among these streams are shown at."""
    query = on(schema, "SELECT wallet_id, version FROM {schema}.wallets WHERE wallet_id = ANY (%b)")
    async with pool.connection() as connection:
        return dict(await (await connection.execute(query, [streams])).fetchall())
