"""Money on its way back, or back: refunds as their facts have made them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from domain.payment.events import (
    PaymentRefundCanceled,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundPending,
    PaymentRefundRequested,
    RefundEvent,
)


class RefundStatus(StrEnum):
    REQUESTED = "requested"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def rank(self) -> int:
        """How far along: a refund never goes back. One that succeeded may fail later, when its bank sends it back."""
        return _RANKS[self]

    @property
    def under_way(self) -> bool:
        """Its amount is set aside, for it may still succeed."""
        return self.rank < RefundStatus.SUCCEEDED.rank


class Refunded(StrEnum):
    """How much of a payment has gone back. `pending`: nothing yet, but something is under way."""

    NONE = "none"
    PENDING = "pending"
    PARTIAL = "partial"
    FULL = "full"


def refunded_of(amount_minor: int, refunded_minor: int, reserved_minor: int) -> Refunded:
    if refunded_minor >= amount_minor > 0:
        return Refunded.FULL
    if refunded_minor > 0:
        return Refunded.PARTIAL
    return Refunded.PENDING if reserved_minor > 0 else Refunded.NONE


_RANKS = {
    RefundStatus.REQUESTED: 0,
    RefundStatus.PENDING: 1,
    RefundStatus.SUCCEEDED: 2,
    RefundStatus.FAILED: 3,
    RefundStatus.CANCELED: 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """`credits_revoked` and `credits_shortfall` are this refund's part of the credits bought; none once it has failed."""

    refund_id: str
    status: RefundStatus
    amount_minor: int
    currency: str
    gateway_refund_id: str | None = None
    reason: str | None = None
    failure_code: str | None = None
    credits_revoked: int = 0
    credits_shortfall: int = 0
    clawback: str | None = None

    @property
    def credits_claimed(self) -> int:
        return self.credits_revoked + self.credits_shortfall


def evolve_refund(refund: Refund | None, event: RefundEvent) -> Refund:
    """Apply one fact of a refund."""
    if isinstance(event, PaymentRefundRequested):
        return Refund(
            refund_id=event.refund_id,
            status=RefundStatus.REQUESTED,
            amount_minor=event.amount_minor,
            currency=event.currency,
            reason=event.reason,
        )
    known = Refund(
        refund_id=event.refund_id,
        status=RefundStatus.PENDING,
        amount_minor=event.amount_minor,
        currency=event.currency,
        gateway_refund_id=event.gateway_refund_id or (refund.gateway_refund_id if refund else None),
        reason=(refund.reason if refund else None) or event.reason,
    )
    match event:
        case PaymentRefundPending():
            return known
        case PaymentRefunded():
            return replace(
                known,
                status=RefundStatus.SUCCEEDED,
                credits_revoked=event.credits_revoked,
                credits_shortfall=event.credits_shortfall,
                clawback=event.clawback,
            )
        case PaymentRefundFailed():
            return replace(known, status=RefundStatus.FAILED, failure_code=event.code)
        case PaymentRefundCanceled():
            return replace(known, status=RefundStatus.CANCELED)
        case _:
            assert_never(event)
