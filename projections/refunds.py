"""Refunds: those of each payment, among the tables of the payments read model."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, assert_never, cast, get_args

from psycopg import Cursor
from psycopg.rows import class_row

from domain.payment import (
    PaymentRefundCanceled,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundPending,
    PaymentRefundRequested,
    RefundStatus,
)
from domain.payment.events import RefundEvent
from projections.statements import beside, on
from projections.tables import Table
from runtime.postgres import Pool
from schemas.envelope import Recorded

tables = beside(__file__)

_EVENTS = frozenset(get_args(RefundEvent))
_REFUNDS = Table(__file__, "refunds", merge="apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRow:
    """One refund. `credits_revoked` and `credits_shortfall` are its part of the credits bought, as long as it stands."""

    refund_id: str
    gateway_refund_id: str | None
    status: str
    amount_minor: int
    currency: str
    reason: str | None
    failure_code: str | None
    credits_revoked: int
    credits_shortfall: int
    clawback: str | None
    created_at: datetime
    updated_at: datetime


_READ = ", ".join(field.name for field in fields(RefundRow))


# The fold.

Said = dict[str, Any]


def row(fact: Recorded, event: RefundEvent) -> Said:
    """What one fact says of its refund: all of it, but what only others know."""
    said: Said = {
        "payment_id": fact.stream,
        "refund_id": event.refund_id,
        "gateway_refund_id": None if isinstance(event, PaymentRefundRequested) else event.gateway_refund_id,
        "amount_minor": event.amount_minor,
        "currency": event.currency,
        "reason": event.reason,
        "failure_code": None,
        "credits_revoked": 0,
        "credits_shortfall": 0,
        "clawback": None,
        "created_at": fact.recorded_at,
        "updated_at": fact.recorded_at,
        "version": fact.version,
        "position": fact.position,
    }
    return {**said, **_outcome(event)}


def _outcome(event: RefundEvent) -> Said:
    match event:
        case PaymentRefundRequested():
            return {"status": RefundStatus.REQUESTED.value}
        case PaymentRefundPending():
            return {"status": RefundStatus.PENDING.value}
        case PaymentRefunded():
            return {
                "status": RefundStatus.SUCCEEDED.value,
                "credits_revoked": event.credits_revoked,
                "credits_shortfall": event.credits_shortfall,
                "clawback": event.clawback,
            }
        case PaymentRefundFailed():
            return {"status": RefundStatus.FAILED.value, "failure_code": event.code}
        case PaymentRefundCanceled():
            return {"status": RefundStatus.CANCELED.value}
        case _:
            assert_never(event)


def merge(earlier: Said, later: Said) -> Said:
    """What both say together, as the statement merges them."""
    kept = {"created_at": earlier["created_at"], "reason": earlier["reason"] or later["reason"]}
    return {**later, **kept, "gateway_refund_id": later["gateway_refund_id"] or earlier["gateway_refund_id"]}


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
    """Write each refund that these facts speak of once."""
    rows: dict[tuple[str, str], Said] = {}
    for fact in facts:
        if type(fact.event) in _EVENTS:
            said = row(fact, cast(RefundEvent, fact.event))
            key = (fact.stream, said["refund_id"])
            rows[key] = merge(rows[key], said) if key in rows else said
    _REFUNDS.write([rows[key] for key in sorted(rows)], cursor, schema)


# The query.


async def of_payment(pool: Pool, schema: str, payment_id: str) -> Sequence[RefundRow]:
    """The refunds of a payment, in the order in which they became known."""
    query = on(schema, f"SELECT {_READ} FROM {{schema}}.refunds WHERE payment_id = %s ORDER BY created_at, refund_id")  # noqa: S608 - our names
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(RefundRow)) as cursor:
        return await (await cursor.execute(query, [payment_id])).fetchall()
