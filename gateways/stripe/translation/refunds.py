"""Refunds: money that goes back, as each object says of itself."""

from domain.payment import RefundStatus
from gateways.notices import RefundUpdated
from gateways.stripe.translation.fields import (
    Plain,
    ShapeUnknown,
    metadata,
    optional_text,
    payment_id,
    reference,
    text,
    whole,
)

_STATUSES = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,  # The customer must say first where the money should go.
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.CANCELED,
}


def as_it_stands(refund: Plain) -> RefundUpdated:
    """`refund.created`, `.updated` and `.failed`, `charge.refund.updated`, and every answer that holds a refund."""
    status = _STATUSES.get(text(refund, "status"))
    if status is None:
        raise ShapeUnknown(refund, "status")
    return RefundUpdated(
        gateway_refund_id=text(refund, "id"),
        gateway_payment_id=reference(refund, "payment_intent"),
        charge_id=reference(refund, "charge"),
        payment_id=payment_id(refund),
        refund_id=metadata(refund, "refund_id"),
        status=status,
        amount_minor=whole(refund, "amount"),
        currency=text(refund, "currency"),
        reason=optional_text(refund, "reason"),
        failure_code=optional_text(refund, "failure_reason"),
    )
