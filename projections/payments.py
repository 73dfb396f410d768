"""Payments: how each one stands, and a project's list of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple, assert_never, cast

from psycopg import Cursor
from psycopg.rows import class_row

from domain.payment import (
    PaymentAttemptFailed,
    PaymentCanceled,
    PaymentCheckoutOpened,
    PaymentDisputeClosed,
    PaymentDisputeOpened,
    PaymentDisputeUpdated,
    PaymentEvent,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentProcessing,
    PaymentRefundCanceled,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundPending,
    PaymentRefundRequested,
    PaymentSucceeded,
    PaymentTraced,
    PaymentUnconfirmed,
    Status,
)
from projections import disputes, refunds
from projections.as_of import folded
from projections.generations import LiveGenerations
from projections.lookups import Coalesced
from projections.statements import beside, on
from projections.tables import Table
from runtime.postgres import Pool
from schemas.envelope import Recorded
from schemas.names import EVENTS

name = "payments"
topics = frozenset({"payments"})
stream_prefixes = ("pay_",)
stream_column = "payment_id"
tables = beside(__file__) + refunds.tables + disputes.tables

_PAYMENTS = Table(__file__, "payments", merge="apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """One payment as it stands. `amount_minor` is what the gateway took, once it did; until then what is expected.

    `failure_code` says why it failed, `decline_code` why the last attempt on the open page was declined. `refunded_minor` has
    gone back, `reserved_minor` is set aside for refunds under way, `lost_minor` went in disputes. `dispute_status` is that of
    the most pressing one.
    """

    payment_id: str
    project_id: str
    user_id: str
    customer_id: str
    product_id: str
    product_type: str
    price_id: str
    quantity: int
    payment_type: str
    gateway: str
    status: str
    amount_minor: int
    currency: str
    amount_differs: bool
    credits: int
    credit_type: str
    metadata: Mapping[str, str]
    checkout_id: str | None
    expires_at: datetime | None
    gateway_payment_id: str | None
    gateway_subscription_id: str | None
    subscription_id: str | None
    failure_code: str | None
    decline_code: str | None
    refunded_minor: int
    reserved_minor: int
    dispute_status: str | None
    lost_minor: int
    created_at: datetime
    updated_at: datetime
    version: int
    position: int


_READ = ", ".join(field.name for field in fields(PaymentRow))


# The fold. What facts say of a row is a mapping of columns; those that they do not speak of are absent, never None, so
# that it does not matter how facts are cut into batches.

Said = dict[str, Any]


def row(fact: Recorded) -> Said:
    """What one fact says of its payment."""
    said = {column: value for column, value in _said(cast(PaymentEvent, fact.event)).items() if value is not None}
    said["payment_id"] = fact.stream
    said["updated_at"] = fact.recorded_at
    said["version"] = fact.version
    said["position"] = fact.position
    return said


def merge(earlier: Said, later: Said) -> Said:
    """What both say together. A status never gives way to one that is less far along."""
    merged = {**earlier, **later}
    if "status" in earlier and later.get("status_rank", -1) <= earlier["status_rank"]:
        merged["status"], merged["status_rank"] = earlier["status"], earlier["status_rank"]
    return merged


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
    """Fold facts into one row per payment, refund and dispute, and write each once."""
    rows: dict[str, Said] = {}
    for fact in facts:
        said = row(fact)
        rows[fact.stream] = merge(rows[fact.stream], said) if fact.stream in rows else said
    _PAYMENTS.write([rows[key] for key in sorted(rows)], cursor, schema)
    refunds.apply(facts, cursor, schema)
    disputes.apply(facts, cursor, schema)


def shown(said: Said) -> PaymentRow:
    """The row, once everything is said of it from its first fact on."""
    columns: Said = {field.name: said.get(field.name) for field in fields(PaymentRow)}
    return PaymentRow(**columns)


def status_after(event_type: str) -> Status | None:
    """The status that a fact of this type brings a payment to; None where it brings it to none."""
    return _STATUS_AFTER.get(EVENTS.get(event_type, object))


_STATUS_AFTER: Mapping[type, Status] = {
    PaymentInitiated: Status.INITIATED,
    PaymentUnconfirmed: Status.UNCONFIRMED,
    PaymentCheckoutOpened: Status.CHECKOUT_OPENED,
    PaymentProcessing: Status.PROCESSING,
    PaymentExpired: Status.EXPIRED,
    PaymentFailed: Status.FAILED,
    PaymentCanceled: Status.CANCELED,
    PaymentSucceeded: Status.SUCCEEDED,
}


def _said(event: PaymentEvent) -> Said:
    said = _besides_status(event)
    if status := _STATUS_AFTER.get(type(event)):
        said["status"] = status.value
        said["status_rank"] = status.rank
    return said


def _besides_status(event: PaymentEvent) -> Said:
    match event:
        case PaymentInitiated():
            return _initiated(event)
        case PaymentCheckoutOpened():
            return {"checkout_id": event.checkout_id, "expires_at": event.expires_at}
        case PaymentAttemptFailed():
            return {"decline_code": event.decline_code or event.code}
        case PaymentProcessing():
            return {"checkout_id": event.checkout_id, "gateway_payment_id": event.gateway_payment_id}
        case PaymentSucceeded():
            return _succeeded(event)
        case PaymentTraced():
            return {"gateway_payment_id": event.gateway_payment_id}
        case PaymentFailed():
            return {"failure_code": event.code, "gateway_payment_id": event.gateway_payment_id}
        case PaymentCanceled() | PaymentExpired() | PaymentUnconfirmed():
            return {}
        case (
            PaymentRefundRequested()
            | PaymentRefundPending()
            | PaymentRefunded()
            | PaymentRefundFailed()
            | PaymentRefundCanceled()
        ):
            return {"refunded_minor": event.refunded_minor_total, "reserved_minor": event.reserved_minor_total}
        case PaymentDisputeOpened() | PaymentDisputeUpdated() | PaymentDisputeClosed():
            return {"dispute_status": event.dispute_status, "lost_minor": event.lost_minor_total}
        case _:
            assert_never(event)


def _initiated(event: PaymentInitiated) -> Said:
    return {
        "project_id": event.project_id,
        "user_id": event.user_id,
        "customer_id": event.customer_id,
        "product_id": event.product_id,
        "product_type": event.product_type,
        "price_id": event.price_id,
        "quantity": event.quantity,
        "payment_type": event.payment_type,
        "gateway": event.gateway,
        "amount_minor": event.amount_minor,
        "currency": event.currency,
        "amount_differs": False,
        "credits": event.credits,
        "credit_type": event.credit_type,
        "metadata": event.metadata,
        "refunded_minor": 0,
        "reserved_minor": 0,
        "lost_minor": 0,
        "created_at": event.initiated_at,
        "subscription_id": event.subscription_id,
    }


def _succeeded(event: PaymentSucceeded) -> Said:
    return {
        "amount_minor": event.amount_minor,
        "currency": event.currency,
        "amount_differs": event.amount_differs,
        "checkout_id": event.checkout_id or None,
        "gateway_payment_id": event.gateway_payment_id,
        "gateway_subscription_id": event.gateway_subscription_id,
        "subscription_id": event.subscription_id,
    }


# The queries.


class After(NamedTuple):
    """The last payment of the page before."""

    created_at: datetime
    payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which of a project's payments are wanted. `created_after` is taken in, `created_before` is not."""

    user_id: str | None = None
    status: str | None = None
    product_id: str | None = None
    subscription_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def by_ids(pool: Pool, schema: str, ids: Sequence[str]) -> Mapping[str, PaymentRow]:
    """Payments by id, of any project; those that are not shown yet are left out."""
    query = on(schema, f"SELECT {_READ} FROM {{schema}}.payments WHERE payment_id = ANY (%b)")  # noqa: S608 - our names
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(PaymentRow)) as cursor:
        await cursor.execute(query, [ids])
        return {payment.payment_id: payment async for payment in cursor}


def by_id(pool: Pool, live: LiveGenerations) -> Coalesced[str, PaymentRow]:
    """Payments one by one, read together: build it once per process."""

    async def fetch(ids: Sequence[str]) -> Mapping[str, PaymentRow]:
        return await by_ids(pool, await live.schema(name), ids)

    return Coalesced(fetch)


async def as_of(pool: Pool, payment_id: str, position: int) -> PaymentRow | None:
    """A payment as it was shown at a position of the log; None where it had not begun."""
    found = await folded(pool, [payment_id], position, row, merge)
    return shown(found[payment_id]) if found else None


class PaymentStanding(NamedTuple):
    """How a payment stands, in short: what is asked for most often. `metadata` is JSON."""

    payment_id: str
    project_id: str
    status: str
    amount_minor: int
    currency: str
    payment_type: str
    created_at: datetime
    metadata: str
    version: int


def standing_by_id(pool: Pool, live: LiveGenerations) -> Coalesced[str, PaymentStanding]:
    """How payments stand, one by one, read together: build it once per process."""

    async def fetch(ids: Sequence[str]) -> Mapping[str, PaymentStanding]:
        query = on(await live.schema(name), _STANDING)
        async with pool.connection() as connection:
            rows = await (await connection.execute(query, [ids], prepare=True, binary=True)).fetchall()
        return {row[0]: PaymentStanding._make(row) for row in rows}

    return Coalesced(fetch)


async def page(
    pool: Pool, schema: str, project_id: str, *, wanted: Filter, after: After | None, limit: int
) -> Sequence[PaymentRow]:
    """A project's payments, newest first, that come after the page before."""
    conditions = [_CONDITIONS[column] for column, value in asdict(wanted).items() if value is not None]
    if after is not None:
        conditions.append("(created_at, payment_id) < (%(after_created_at)s, %(after_payment_id)s)")
    query = on(schema, _PAGE.replace("{conditions}", "".join(f" AND {condition}" for condition in conditions)))
    parameters = {"project_id": project_id, "limit": limit, **asdict(wanted)}
    if after is not None:
        parameters |= {"after_created_at": after.created_at, "after_payment_id": after.payment_id}
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(PaymentRow)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchall()


async def customers(pool: Pool, schema: str, project_id: str, ids: Sequence[str]) -> set[str]:
    """The customers of those among these payments that are the project's."""
    query = on(
        schema,
        "SELECT DISTINCT customer_id FROM {schema}.payments WHERE payment_id = ANY (%b) AND project_id = %s",
    )
    async with pool.connection() as connection:
        return {customer for (customer,) in await (await connection.execute(query, [ids, project_id])).fetchall()}


async def versions(pool: Pool, schema: str, streams: Sequence[str]) -> Mapping[str, int]:
    """The versions that the payments among these streams are shown at."""
    query = on(schema, "SELECT payment_id, version FROM {schema}.payments WHERE payment_id = ANY (%b)")
    async with pool.connection() as connection:
        return dict(await (await connection.execute(query, [streams])).fetchall())


_CONDITIONS = {
    "user_id": "user_id = %(user_id)s",
    "status": "status = %(status)s",
    "product_id": "product_id = %(product_id)s",
    "subscription_id": "subscription_id = %(subscription_id)s",
    "created_after": "created_at >= %(created_after)s",
    "created_before": "created_at < %(created_before)s",
}

_STANDING = """
    SELECT payment_id, project_id, status, amount_minor, currency, payment_type, created_at, metadata::text, version
      FROM {schema}.payments
     WHERE payment_id = ANY (%b)
"""

_PAGE = f"""
    SELECT {_READ} FROM {{schema}}.payments
     WHERE project_id = %(project_id)s{{conditions}}
     ORDER BY created_at DESC, payment_id DESC
     LIMIT %(limit)s
"""  # noqa: S608 - our own column names
