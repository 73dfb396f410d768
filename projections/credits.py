"""Credits: what every wallet holds, and the ledger of how it came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from psycopg import Cursor
from psycopg.rows import class_row

from domain.wallet import WalletEvent
from projections.as_of import folded
from projections.statements import beside, on
from projections.tables import Table
from runtime.postgres import Pool
from schemas.envelope import Recorded

name = "credits"
topics = frozenset({"credits"})
stream_prefixes = ("wal_",)
stream_column = "wallet_id"
tables = beside(__file__)

_WALLETS = Table(__file__, "wallets", merge="apply_wallets")
_ENTRIES = Table(__file__, "entries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a customer holds of one credit type."""

    wallet_id: str
    credit_type: str
    balance: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What all customers of a project hold of one credit type together."""

    credit_type: str
    balance: int
    wallets: int


# The fold. Every fact carries the balance after it, so a wallet's row is what its last fact says.


def wallet(fact: Recorded) -> dict[str, Any]:
    """The wallet's row after this fact."""
    event = cast(WalletEvent, fact.event)
    return {
        "wallet_id": fact.stream,
        "project_id": fact.project_id,
        "user_id": event.user_id,
        "credit_type": event.credit_type,
        "balance": event.balance,
        "updated_at": fact.recorded_at,
        "version": fact.version,
        "position": fact.position,
    }


def entry(fact: Recorded) -> dict[str, Any]:
    """The ledger entry that this fact is. `kind` is the fact's own word: `purchased`."""
    event = cast(WalletEvent, fact.event)
    return {
        "wallet_id": fact.stream,
        "version": fact.version,
        "entry_id": event.entry_id,
        "kind": fact.type.partition(".")[2],
        "amount": event.amount,
        "balance": event.balance,
        "payment_id": getattr(event, "payment_id", None),
        "product_id": getattr(event, "product_id", None),
        "recorded_at": fact.recorded_at,
        "position": fact.position,
    }


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
    """Write one row per wallet, from its last fact, and one entry per fact."""
    last = {fact.stream: fact for fact in facts}
    _WALLETS.write([wallet(last[stream]) for stream in sorted(last)], cursor, schema)
    _ENTRIES.write([entry(fact) for fact in facts], cursor, schema)


# The queries.


async def balances(pool: Pool, schema: str, project_id: str, user_id: str) -> Sequence[Balance]:
    """What a project's customer holds, by credit type; nothing for one who never held any."""
    query = on(
        schema,
        "SELECT wallet_id, credit_type, balance, version FROM {schema}.wallets"
        " WHERE project_id = %s AND user_id = %s ORDER BY credit_type",
    )
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Balance)) as cursor:
        return await (await cursor.execute(query, [project_id, user_id])).fetchall()


async def balances_as_of(pool: Pool, schema: str, project_id: str, user_id: str, position: int) -> Sequence[Balance]:
    """What a customer held at a position of the log, of those types that they have ever held."""
    wallets = [balance.wallet_id for balance in await balances(pool, schema, project_id, user_id)]
    held = await folded(pool, wallets, position, wallet, lambda _, later: later)
    return [Balance(**{field.name: held[wallet_id][field.name] for field in fields(Balance)}) for wallet_id in held]


async def project_totals(pool: Pool, schema: str, project_id: str) -> Sequence[Total]:
    """What all customers of a project hold, summed up by credit type."""
    query = on(
        schema,
        "SELECT credit_type, sum(balance)::bigint AS balance, count(*) AS wallets FROM {schema}.wallets"
        " WHERE project_id = %s GROUP BY credit_type ORDER BY credit_type",
    )
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Total)) as cursor:
        return await (await cursor.execute(query, [project_id])).fetchall()


async def versions(pool: Pool, schema: str, streams: Sequence[str]) -> Mapping[str, int]:
    """The versions that the wallets among these streams are shown at."""
    query = on(schema, "SELECT wallet_id, version FROM {schema}.wallets WHERE wallet_id = ANY (%b)")
    async with pool.connection() as connection:
        return dict(await (await connection.execute(query, [streams])).fetchall())
