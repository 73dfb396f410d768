"""Why something may not be done with a wallet."""

from datetime import datetime

from domain.errors import DomainError, ErrorType
from domain.wallet.state import Wallet


class InsufficientCredits(DomainError):
    """More was asked for than can be spent now."""

    type: ErrorType = "insufficient_funds"
    code = "insufficient_credits"

    def __init__(self, credit_type: str, asked: int, available: int) -> None:
        super().__init__(
            f"{asked} {credit_type} credits were asked for, and {available} are available. Once there are more, ask again"
            " with a new Idempotency-Key.",
            param="amount",
            details={"credit_type": credit_type, "requested": asked, "available": available},
        )


class WalletFrozen(DomainError):
    """A dispute, a suspension or the like stands in the way of spending."""

    code = "wallet_frozen"

    def __init__(self, wallet: Wallet) -> None:
        reasons = ", ".join(sorted(set(wallet.freezes.values())))
        super().__init__(
            f"These {wallet.credit_type} credits are frozen ({reasons}); they can be spent once that is over.",
            details={"reasons": reasons},
        )


class HoldUnknown(DomainError):
    """No wallet of this project can have this hold."""

    type: ErrorType = "not_found"
    code = "hold_not_found"

    def __init__(self, hold_id: str) -> None:
        super().__init__(f"This project has no hold {hold_id!r}.", param="hold_id")


class HoldNotOpen(DomainError):
    """It has ended, or never was."""

    code = "hold_not_open"

    def __init__(self, hold_id: str, ending: str | None) -> None:
        how = f"has ended ({ending})" if ending else "is not open: it has ended, or never was"
        super().__init__(f"Hold {hold_id} {how}; set credits aside anew.", details={"ending": ending})


class CaptureExceedsHold(DomainError):
    """More than was set aside."""

    type: ErrorType = "validation_error"
    code = "capture_exceeds_hold"

    def __init__(self, asked: int, held: int) -> None:
        super().__init__(
            f"{held} credits are held and {asked} were to be captured; capture {held} at most, and spend the rest apart.",
            param="amount",
            details={"requested": asked, "held": held},
        )


class ExpiryInThePast(DomainError):
    """It would be over before it began."""

    type: ErrorType = "validation_error"
    code = "expiry_in_the_past"

    def __init__(self, expires_at: datetime) -> None:
        super().__init__(f"{expires_at.isoformat()} is in the past; send a moment to come.", param="expires_at")


class HoldTooLong(DomainError):
    """Set aside for longer than anything should be under way."""

    type: ErrorType = "validation_error"
    code = "hold_too_long"

    def __init__(self, most_days: int) -> None:
        super().__init__(
            f"Credits can be held for {most_days} days at most; send an earlier moment.", param="expires_at"
        )


class TooManyGrants(DomainError):
    """A spend that took from all of them would be a fact too large to publish."""

    code = "too_many_grants"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"This customer has {most} grants that are not spent; give fewer and larger ones.", details={"limit": most}
        )


class TooManyHolds(DomainError):
    """More is under way than any spend should wait for."""

    code = "too_many_holds"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} holds of this customer are open; capture or release some first.", details={"limit": most}
        )


class BalanceTooLarge(DomainError):
    """Beyond it, readers in some languages would not see whole numbers any more."""

    type: ErrorType = "validation_error"
    code = "balance_too_large"

    def __init__(self, most: int) -> None:
        super().__init__(f"A balance can be {most} at most.", param="amount", details={"limit": most})
