"""Disputes: those of each payment, among the tables of the payments read model."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, assert_never, cast, get_args

from psycopg import Cursor
from psycopg.rows import class_row

from domain.payment import PaymentDisputeClosed, PaymentDisputeOpened, PaymentDisputeUpdated
from domain.payment.events import DisputeEvent
from projections.statements import beside, on
from projections.tables import Table
from runtime.postgres import Pool
from schemas.envelope import Recorded

tables = beside(__file__)

_EVENTS = frozenset(get_args(DisputeEvent))
_DISPUTES = Table(__file__, "disputes", merge="apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRow:
    """One dispute. `credits_revoked` and `credits_shortfall` are its part of the credits bought, while it is lost."""

    dispute_id: str
    status: str
    amount_minor: int
    currency: str
    reason: str
    refundable: bool
    opened_at: datetime
    evidence_due_by: datetime | None
    credits_revoked: int
    credits_shortfall: int


_READ = ", ".join(field.name for field in fields(DisputeRow))


# The fold. What a fact does not speak of is absent.

Said = dict[str, Any]


def row(fact: Recorded, event: DisputeEvent) -> Said:
    """What one fact says of its dispute."""
    said: Said = {
        "payment_id": fact.stream,
        "dispute_id": event.dispute_id,
        "status": event.status,
        "amount_minor": event.amount_minor,
        "currency": event.currency,
        "refundable": event.refundable,
        "evidence_due_by": event.evidence_due_by,
        "updated_at": fact.recorded_at,
        "version": fact.version,
        "position": fact.position,
    }
    match event:
        case PaymentDisputeOpened():
            begun = {"reason": event.reason, "opened_at": event.opened_at, "created_at": fact.recorded_at}
            return {**said, **begun, "credits_revoked": 0, "credits_shortfall": 0}
        case PaymentDisputeClosed():
            return {**said, "credits_revoked": event.credits_revoked, "credits_shortfall": event.credits_shortfall}
        case PaymentDisputeUpdated():
            return said
        case _:
            assert_never(event)


def apply(facts: Sequence[Recorded], cursor: Cursor[Any], schema: str) -> None:
    """Write each dispute that these facts speak of once."""
    rows: dict[tuple[str, str], Said] = {}
    for fact in facts:
        if type(fact.event) in _EVENTS:
            said = row(fact, cast(DisputeEvent, fact.event))
            rows.setdefault((fact.stream, said["dispute_id"]), {}).update(said)
    _DISPUTES.write([rows[key] for key in sorted(rows)], cursor, schema)


# The query.


async def of_payment(pool: Pool, schema: str, payment_id: str) -> Sequence[DisputeRow]:
    """The disputes of a payment, in the order in which they became known."""
    query = on(schema, f"SELECT {_READ} FROM {{schema}}.disputes WHERE payment_id = %s ORDER BY created_at, dispute_id")  # noqa: S608 - our names
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(DisputeRow)) as cursor:
        return await (await cursor.execute(query, [payment_id])).fetchall()
