"""Money that a customer's bank takes back: disputes as their facts have made them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from domain.payment.events import DisputeEvent, PaymentDisputeClosed, PaymentDisputeOpened, PaymentDisputeUpdated


class DisputeStatus(StrEnum):
    """In Stripe's words. The most pressing comes first: what a payment with several disputes is called after."""

    NEEDS_RESPONSE = "needs_response"
    APPEAL_NEEDS_RESPONSE = "appeal_needs_response"
    UNDER_REVIEW = "under_review"
    APPEAL_UNDER_REVIEW = "appeal_under_review"
    WARNING_NEEDS_RESPONSE = "warning_needs_response"
    WARNING_UNDER_REVIEW = "warning_under_review"
    LOST = "lost"
    WON = "won"
    PREVENTED = "prevented"
    WARNING_CLOSED = "warning_closed"
    CHARGE_REFUNDED = "charge_refunded"  # Until 2025-05-28.

    @property
    def closed(self) -> bool:
        return self in _CLOSED

    @property
    def appeal(self) -> bool:
        """A loss is being contested."""
        return self in (DisputeStatus.APPEAL_NEEDS_RESPONSE, DisputeStatus.APPEAL_UNDER_REVIEW)

    @property
    def means_loss(self) -> bool:
        """The money is gone, perhaps not for good."""
        return self is DisputeStatus.LOST or self.appeal

    @property
    def rank(self) -> int:
        """How far along, appeals aside: an inquiry may become a dispute, and every one ends."""
        return _RANKS.get(self, _CLOSING_RANK)


_CLOSED = frozenset(
    {
        DisputeStatus.LOST,
        DisputeStatus.WON,
        DisputeStatus.PREVENTED,
        DisputeStatus.WARNING_CLOSED,
        DisputeStatus.CHARGE_REFUNDED,
    }
)
_RANKS = {
    DisputeStatus.WARNING_NEEDS_RESPONSE: 0,
    DisputeStatus.WARNING_UNDER_REVIEW: 1,
    DisputeStatus.NEEDS_RESPONSE: 2,
    DisputeStatus.UNDER_REVIEW: 3,
}
_CLOSING_RANK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """`lost` stays true while an appeal is under way. The credits are its part of those bought, while it is lost.

    `losses` counts how often it was: each takes credits under an id of its own.
    """

    dispute_id: str
    status: DisputeStatus
    amount_minor: int
    currency: str
    reason: str
    refundable: bool
    opened_at: datetime
    evidence_due_by: datetime | None = None
    lost: bool = False
    losses: int = 0
    credits_revoked: int = 0
    credits_shortfall: int = 0
    clawback: str | None = None

    @property
    def credits_claimed(self) -> int:
        return self.credits_revoked + self.credits_shortfall


def most_pressing(statuses: Iterable[DisputeStatus]) -> DisputeStatus | None:
    """What a payment with these disputes is called after; None where it has none."""
    found = set(statuses)
    return next((status for status in DisputeStatus if status in found), None)


def is_disputed(pressing: DisputeStatus | None, lost_minor: int) -> bool:
    """Whether somebody contests a payment whose most pressing dispute stands so, or has done so with success."""
    return lost_minor > 0 or (pressing is not None and not pressing.closed)


def evolve_dispute(dispute: Dispute | None, event: DisputeEvent) -> Dispute:
    """Apply one fact of a dispute."""
    if isinstance(event, PaymentDisputeOpened):
        return Dispute(
            dispute_id=event.dispute_id,
            status=DisputeStatus(event.status),
            amount_minor=event.amount_minor,
            currency=event.currency,
            reason=event.reason,
            refundable=event.refundable,
            opened_at=event.opened_at,
            evidence_due_by=event.evidence_due_by,
        )
    assert dispute is not None, "a dispute starts with payment.dispute_opened"
    moved = replace(
        dispute,
        status=DisputeStatus(event.status),
        amount_minor=event.amount_minor,
        currency=event.currency,
        refundable=event.refundable,
        evidence_due_by=event.evidence_due_by,
    )
    match event:
        case PaymentDisputeUpdated():
            return moved
        case PaymentDisputeClosed():
            lost = moved.status is DisputeStatus.LOST
            return replace(
                moved,
                lost=lost,
                losses=dispute.losses + (lost and not dispute.lost),
                credits_revoked=event.credits_revoked if lost else 0,
                credits_shortfall=event.credits_shortfall if lost else 0,
                clawback=event.clawback if lost else None,
            )
        case _:
            assert_never(event)
