"""A payment is disputed: its customer's bank takes the money back or asks about it, and in the end decides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from domain.payment.claims import CreditsReclaimed, credits_unclaimed
from domain.payment.contests import Dispute, DisputeStatus
from domain.payment.events import (
    DisputeEvent,
    PaymentDisputeClosed,
    PaymentDisputeOpened,
    PaymentDisputeUpdated,
    PaymentEvent,
)
from domain.payment.state import Payment, evolve


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeTold:
    """A dispute as the gateway has it, now or when it sent word of it."""

    dispute_id: str
    status: DisputeStatus
    amount_minor: int
    currency: str
    reason: str
    refundable: bool
    opened_at: datetime
    evidence_due_by: datetime | None


class News(Enum):
    """What word of a dispute is worth."""

    NONE = auto()  # It says what is known.
    CERTAIN = auto()  # It is further along than what is known.
    DOUBTFUL = auto()  # It may be older than what is known: only the gateway can say.


def news(payment: Payment, told: DisputeTold) -> News:
    """Whether word of a dispute is new, known, or perhaps outdated. What has to do with an appeal may come before or after."""
    known = payment.disputes.get(told.dispute_id)
    if known is None:
        return News.CERTAIN
    if _as_told(known) == told:
        return News.NONE
    appealed = known.status.appeal or told.status.appeal
    return News.CERTAIN if told.status.rank > known.status.rank and not appealed else News.DOUBTFUL


def credits_to_reclaim(payment: Payment, told: DisputeTold) -> int:
    """How many credits it takes back if this is a loss that is not known yet."""
    known = payment.disputes.get(told.dispute_id)
    if not told.status.means_loss or (known is not None and known.lost):
        return 0
    lost = told.amount_minor if told.currency == payment.currency else payment.amount_minor
    return credits_unclaimed(payment, payment.refunded_minor + payment.lost_minor + lost)


def take(payment: Payment, told: DisputeTold, reclaimed: CreditsReclaimed, credits_restored: int) -> list[PaymentEvent]:
    """Take the gateway's word: that it was opened, stands otherwise, or has ended.

    One that is new here was opened first, and one that is appealed was lost first.
    """
    known = payment.disputes.get(told.dispute_id)
    facts: list[DisputeEvent] = [] if known is not None else [_opened(payment, told)]
    if told.status.appeal and not (known is not None and known.lost):
        facts.append(_closed(payment, replace(told, status=DisputeStatus.LOST), reclaimed, 0))
    if told.status.closed:
        facts.append(_closed(payment, told, _standing(known, told) or reclaimed, credits_restored))
    elif known is not None or told.status.appeal:
        facts.append(_updated(payment, told))
    return _in_all(payment, facts)


def _standing(known: Dispute | None, told: DisputeTold) -> CreditsReclaimed | None:
    """What an earlier loss took, where this one only confirms it."""
    if known is None or not known.lost or told.status is not DisputeStatus.LOST:
        return None
    return CreditsReclaimed(
        revoked=known.credits_revoked, shortfall=known.credits_shortfall, clawback=known.clawback or ""
    )


def revocation_id(payment: Payment, dispute_id: str) -> str:
    """Under which the newest loss takes credits, or would: one that is lost, won on appeal and lost again takes them again."""
    known = payment.disputes.get(dispute_id)
    losses = known.losses if known is not None else 0
    number = losses if known is not None and known.lost else losses + 1
    return f"{dispute_id}/{number}"


def _as_told(known: Dispute) -> DisputeTold:
    return DisputeTold(
        dispute_id=known.dispute_id,
        status=known.status,
        amount_minor=known.amount_minor,
        currency=known.currency,
        reason=known.reason,
        refundable=known.refundable,
        opened_at=known.opened_at,
        evidence_due_by=known.evidence_due_by,
    )


def _opened(payment: Payment, told: DisputeTold) -> DisputeEvent:
    return PaymentDisputeOpened(
        payment_id=payment.payment_id,
        dispute_id=told.dispute_id,
        status=told.status.value,
        amount_minor=told.amount_minor,
        currency=told.currency,
        reason=told.reason,
        refundable=told.refundable,
        opened_at=told.opened_at,
        dispute_status=told.status.value,
        lost_minor_total=0,
        evidence_due_by=told.evidence_due_by,
    )


def _updated(payment: Payment, told: DisputeTold) -> DisputeEvent:
    return PaymentDisputeUpdated(
        payment_id=payment.payment_id,
        dispute_id=told.dispute_id,
        status=told.status.value,
        amount_minor=told.amount_minor,
        currency=told.currency,
        refundable=told.refundable,
        dispute_status=told.status.value,
        lost_minor_total=0,
        evidence_due_by=told.evidence_due_by,
    )


def _closed(payment: Payment, told: DisputeTold, reclaimed: CreditsReclaimed, credits_restored: int) -> DisputeEvent:
    return PaymentDisputeClosed(
        payment_id=payment.payment_id,
        dispute_id=told.dispute_id,
        status=told.status.value,
        amount_minor=told.amount_minor,
        currency=told.currency,
        refundable=told.refundable,
        dispute_status=told.status.value,
        lost_minor_total=0,
        credits_revoked=reclaimed.revoked,
        credits_shortfall=reclaimed.shortfall,
        credits_restored=credits_restored,
        clawback=reclaimed.clawback,
        evidence_due_by=told.evidence_due_by,
    )


def _in_all(payment: Payment, facts: Sequence[DisputeEvent]) -> list[PaymentEvent]:
    """The facts, each with what the payment then is in all, over all of its disputes."""
    summed: list[PaymentEvent] = []
    for fact in facts:
        payment = evolve(payment, fact)
        assert payment.dispute_status is not None, "it has a dispute now"
        status, lost = payment.dispute_status.value, payment.lost_minor
        summed.append(replace(fact, dispute_status=status, lost_minor_total=lost))
    return summed
