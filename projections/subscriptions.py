"""Subscriptions: how each one stands, and what a customer is subscribed to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from psycopg import Cursor
from psycopg.rows import class_row

from domain.subscription import Standing, SubscriptionCreated, SubscriptionEvent
from projections.statements import beside, on
from projections.tables import Table
from runtime.postgres import Pool
from schemas.envelope import Recorded

name = "subscriptions"
topics = frozenset({"subscriptions"})
stream_prefixes = ("sub_",)
stream_column = "subscription_id"
tables = beside(__file__)

_SUBSCRIPTIONS = Table(__file__, "subscriptions", merge="apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """One subscription as it stands. `amount_minor` is for one period and all units.

    `access_until` is None while no end is in sight; `failed_attempts` are those of its newest unpaid invoice.
    """

    subscription_id: str
    project_id: str
    user_id: str
    customer_id: str
    payment_id: str
    gateway: str
    gateway_subscription_id: str
    product_id: str
    price_id: str
    quantity: int
    amount_minor: int
    currency: str
    interval: str
    interval_count: int
    status: str
    current_period_start: datetime
    current_period_end: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None
    access_until: datetime | None
    failed_attempts: int
    next_attempt_at: datetime | None
    action_required: bool
    further_price_ids: Sequence[str]
    started_at: datetime
    updated_at: datetime
    version: int
    position: int


_OF_FACTS = ("updated_at", "version", "position")
_COLUMNS = tuple(field.name for field in fields(SubscriptionRow) if field.name not in _OF_FACTS)
_MOVES = tuple(field.name for field in fields(Standing) if field.name in _COLUMNS)
_READ = ", ".join(f'"{column}"' for column in (*_COLUMNS, *_OF_FACTS))

# The fold. Every fact carries how its subscription stands after it, so the last one of a batch says all that moves, and
# the first of all what never does.

Said = dict[str, Any]


def row(fact: Recorded) -> Said:
    """What one fact says of its subscription: None where something is not so, absent where it says nothing of it."""
    event = cast(SubscriptionEvent, fact.event)
    says = _COLUMNS if isinstance(event, SubscriptionCreated) else _MOVES
    said = {column: getattr(event, column) for column in says} | {"further_price_ids": list(event.further_price_ids)}
    return said | {"updated_at": fact.recorded_at, "version": fact.version, "position": fact.position}


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
    """Fold facts into one row per subscription, and write each once."""
    rows: dict[str, Said] = {}
    for fact in facts:
        rows.setdefault(fact.stream, {}).update(row(fact))
    _SUBSCRIPTIONS.write([rows[key] for key in sorted(rows)], cursor, schema)


# The queries.


async def of_user(pool: Pool, schema: str, project_id: str, user_id: str) -> Sequence[SubscriptionRow]:
    """What a project's customer is or was subscribed to, the newest first."""
    query = on(
        schema,
        f"SELECT {_READ} FROM {{schema}}.subscriptions WHERE project_id = %s AND user_id = %s"  # noqa: S608 - our names
        " ORDER BY started_at DESC, subscription_id",
    )
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(SubscriptionRow)) as cursor:
        return await (await cursor.execute(query, [project_id, user_id])).fetchall()


async def customers(pool: Pool, schema: str, project_id: str, ids: Sequence[str]) -> set[str]:
    """The customers of those among these subscriptions that are the project's."""
    query = on(
        schema,
        "SELECT DISTINCT customer_id FROM {schema}.subscriptions WHERE subscription_id = ANY (%b) AND project_id = %s",
    )
    async with pool.connection() as connection:
        return {customer for (customer,) in await (await connection.execute(query, [ids, project_id])).fetchall()}


async def versions(pool: Pool, schema: str, streams: Sequence[str]) -> Mapping[str, int]:
    """The versions that the subscriptions among these streams are shown at."""
    query = on(schema, "SELECT subscription_id, version FROM {schema}.subscriptions WHERE subscription_id = ANY (%b)")
    async with pool.connection() as connection:
        return dict(await (await connection.execute(query, [streams])).fetchall())
