"""What money that goes back takes along of the credits it had bought."""

from dataclasses import dataclass

from domain.payment.state import Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsReclaimed:
    """What was taken back of the credits bought, and what should have been and was spent, by which policy."""

    revoked: int
    shortfall: int
    clawback: str


def credits_unclaimed(payment: Payment, returned_minor: int) -> int:
    """How many credits are still to be taken back, once so much of the payment's money has gone back in all.

    All returns together take as large a part of the credits as they are of the money, rounded down: so the last of several
    takes exactly what makes it whole.
    """
    if payment.amount_minor == 0:
        return 0
    returned = min(returned_minor, payment.amount_minor)
    return max(0, payment.credits * returned // payment.amount_minor - payment.credits_claimed)
