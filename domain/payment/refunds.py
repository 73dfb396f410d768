"""Money goes back: asked for by the project, or told of by the gateway, which alone says what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from domain.payment.claims import CreditsReclaimed, credits_unclaimed
from domain.payment.errors import (
    NothingToRefund,
    PaymentDisputed,
    PaymentNotPaid,
    RefundExceedsPayment,
    TakingUnknown,
)
from domain.payment.events import (
    PaymentEvent,
    PaymentRefundCanceled,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentRefundPending,
    PaymentRefundRequested,
)
from domain.payment.returns import Refund, RefundStatus
from domain.payment.state import Payment, Status

_NAMESPACE = UUID("5d7c9d5e-3f54-5c1c-8b65-0f0b9a2f61d4")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundTold:
    """A refund as the gateway has it. `refund_id` is ours, as `our_id` finds it."""

    refund_id: str
    gateway_refund_id: str
    amount_minor: int
    currency: str
    reason: str | None


def amount_to_refund(payment: Payment, asked_minor: int | None) -> int:
    """What a refund of this much (None: of all that is left) gives back.

    Raises `PaymentNotPaid`, `NothingToRefund`, `TakingUnknown`, `PaymentDisputed`, `RefundExceedsPayment`.
    """
    if payment.status is not Status.SUCCEEDED:
        raise PaymentNotPaid(payment)
    if payment.amount_minor == 0:
        raise NothingToRefund(payment.payment_id)
    if payment.gateway_payment_id is None:
        raise TakingUnknown(payment.payment_id)
    if any(not dispute.status.closed and not dispute.refundable for dispute in payment.disputes.values()):
        raise PaymentDisputed(payment)
    left = payment.refundable_minor
    if left == 0 or (asked_minor is not None and asked_minor > left):
        raise RefundExceedsPayment(payment, asked_minor)
    return left if asked_minor is None else asked_minor


def request_refund(
    payment: Payment, *, refund_id: str, amount_minor: int, reason: str | None, metadata: Mapping[str, str]
) -> list[PaymentEvent]:
    """Set money aside to give back. Asking twice under one refund id is harmless. Raises what `amount_to_refund` does."""
    if refund_id in payment.refunds:
        return []
    return [
        PaymentRefundRequested(
            payment_id=payment.payment_id,
            refund_id=refund_id,
            amount_minor=amount_to_refund(payment, amount_minor),
            currency=payment.currency,
            refunded_minor_total=payment.refunded_minor,
            reserved_minor_total=payment.reserved_minor + amount_minor,
            reason=reason,
            metadata=metadata,
        )
    ]


def our_id(payment: Payment, gateway_refund_id: str, claimed: str | None) -> str:
    """Our id of a refund that the gateway tells of: the one it was asked for under, or one made from its own.

    `claimed` is what the refund carries as ours. It counts only where we asked for such a refund and no other answers to it.
    """
    known = payment.refund_at_gateway(gateway_refund_id)
    if known is not None:
        return known.refund_id
    asked_for = payment.refunds.get(claimed) if claimed else None
    if asked_for is not None and asked_for.gateway_refund_id is None:
        return asked_for.refund_id
    return f"rfd_{uuid5(_NAMESPACE, gateway_refund_id).hex}"


def take_on(payment: Payment, told: RefundTold) -> list[PaymentEvent]:
    """The gateway has it, and the money is not on its way yet."""
    if not _news(payment, told.refund_id, RefundStatus.PENDING):
        return []
    refunded, reserved = _others(payment, told.refund_id)
    return [
        PaymentRefundPending(
            payment_id=payment.payment_id,
            refund_id=told.refund_id,
            gateway_refund_id=told.gateway_refund_id,
            amount_minor=told.amount_minor,
            currency=told.currency,
            refunded_minor_total=refunded,
            reserved_minor_total=reserved + told.amount_minor,
            reason=told.reason,
        )
    ]


def credits_to_reclaim(payment: Payment, told: RefundTold) -> int:
    """How many credits a refund that succeeds takes back: none where it is known to have ended."""
    if not _news(payment, told.refund_id, RefundStatus.SUCCEEDED):
        return 0
    refunded, _ = _others(payment, told.refund_id)
    return credits_unclaimed(payment, refunded + told.amount_minor + payment.lost_minor)


def succeed(payment: Payment, told: RefundTold, reclaimed: CreditsReclaimed) -> list[PaymentEvent]:
    """The money is on its way to the customer. It may come back: then the refund fails after all."""
    if not _news(payment, told.refund_id, RefundStatus.SUCCEEDED):
        return []
    refunded, reserved = _others(payment, told.refund_id)
    return [
        PaymentRefunded(
            payment_id=payment.payment_id,
            refund_id=told.refund_id,
            gateway_refund_id=told.gateway_refund_id,
            amount_minor=told.amount_minor,
            currency=told.currency,
            refunded_minor_total=refunded + told.amount_minor,
            reserved_minor_total=reserved,
            credits_revoked=reclaimed.revoked,
            credits_shortfall=reclaimed.shortfall,
            clawback=reclaimed.clawback,
            reason=told.reason,
        )
    ]


def is_too_much(payment: Payment, told: RefundTold) -> bool:
    """Whether with this more would have gone back than was paid: then some other has failed, and we have not heard of it."""
    refunded, _ = _others(payment, told.refund_id)
    return refunded + told.amount_minor > payment.amount_minor


def fail(payment: Payment, told: RefundTold, code: str, credits_restored: int) -> list[PaymentEvent]:
    """The customer's bank did not take it, at once or after it had seemed to: the money is not back."""
    if not _news(payment, told.refund_id, RefundStatus.FAILED):
        return []
    return [_failed(payment, told, code, credits_restored)]


def refuse(payment: Payment, refund_id: str, code: str) -> list[PaymentEvent]:
    """The gateway made no refund of what was asked for. What it did make meanwhile, it tells itself."""
    asked_for = payment.refunds[refund_id]
    if asked_for.status is not RefundStatus.REQUESTED:
        return []
    return [_failed(payment, asked_for, code, 0)]


def cancel(payment: Payment, told: RefundTold) -> list[PaymentEvent]:
    """It was withdrawn at the gateway, in time."""
    if not _news(payment, told.refund_id, RefundStatus.CANCELED):
        return []
    refunded, reserved = _others(payment, told.refund_id)
    return [
        PaymentRefundCanceled(
            payment_id=payment.payment_id,
            refund_id=told.refund_id,
            gateway_refund_id=told.gateway_refund_id,
            amount_minor=told.amount_minor,
            currency=told.currency,
            refunded_minor_total=refunded,
            reserved_minor_total=reserved,
            reason=told.reason,
        )
    ]


def _failed(payment: Payment, refund: RefundTold | Refund, code: str, credits_restored: int) -> PaymentRefundFailed:
    known = payment.refunds.get(refund.refund_id)
    refunded, reserved = _others(payment, refund.refund_id)
    return PaymentRefundFailed(
        payment_id=payment.payment_id,
        refund_id=refund.refund_id,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        refunded_minor_total=refunded,
        reserved_minor_total=reserved,
        code=code,
        was_refunded=known is not None and known.status is RefundStatus.SUCCEEDED,
        credits_restored=credits_restored,
        gateway_refund_id=refund.gateway_refund_id,
        reason=refund.reason,
    )


def _news(payment: Payment, refund_id: str, status: RefundStatus) -> bool:
    """Whether the refund is not known to be that far along. What the gateway has, it has, though it was given up here."""
    known = payment.refunds.get(refund_id)
    return known is None or known.gateway_refund_id is None or known.status.rank < status.rank


def _others(payment: Payment, refund_id: str) -> tuple[int, int]:
    """What all refunds but this one have given back, and what is set aside for them."""
    others = [refund for refund in payment.refunds.values() if refund.refund_id != refund_id]
    refunded = sum(refund.amount_minor for refund in others if refund.status is RefundStatus.SUCCEEDED)
    return refunded, sum(refund.amount_minor for refund in others if refund.status.under_way)
