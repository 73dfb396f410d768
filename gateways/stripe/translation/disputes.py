"""Disputes: how each stands, as the object says of itself."""

from datetime import UTC, datetime

from domain.payment import DisputeStatus
from gateways.notices import DisputeUpdated
from gateways.stripe.translation.fields import Plain, ShapeUnknown, inner, optional_whole, reference, text, whole

_STATUSES = {status.value: status for status in DisputeStatus}


def as_it_stands(dispute: Plain) -> DisputeUpdated:
    """Every `charge.dispute.…` event, and every answer that holds a dispute. What it says of its customer is left out."""
    status = _STATUSES.get(text(dispute, "status"))
    if status is None:
        raise ShapeUnknown(dispute, "status")
    refundable = dispute.get("is_charge_refundable")
    if not isinstance(refundable, bool):
        raise ShapeUnknown(dispute, "is_charge_refundable")
    due_by = optional_whole(inner(dispute, "evidence_details"), "due_by")
    return DisputeUpdated(
        dispute_id=text(dispute, "id"),
        gateway_payment_id=reference(dispute, "payment_intent"),
        charge_id=reference(dispute, "charge"),
        payment_id=None,
        status=status,
        amount_minor=whole(dispute, "amount"),
        currency=text(dispute, "currency"),
        reason=text(dispute, "reason"),
        refundable=refundable,
        opened_at=datetime.fromtimestamp(whole(dispute, "created"), UTC),
        evidence_due_by=datetime.fromtimestamp(due_by, UTC) if due_by else None,
    )
