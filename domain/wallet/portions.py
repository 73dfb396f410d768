"""How credits leave their grants and become free in them again, grant by grant."""

from collections.abc import Iterable

from domain.wallet.events import CreditsHoldReleased, Portion
from domain.wallet.state import Grant, Hold, Wallet, entry_id


def taken(grants: Iterable[Grant], amount: int) -> tuple[Portion, ...]:
    """What taking this much of the free credits of these grants takes from each: at most all of them, in their order."""
    portions: list[Portion] = []
    for grant in grants:
        if amount == 0:
            break
        if part := min(grant.remaining - grant.held, amount):
            portions.append(Portion(entry_id=grant.entry_id, amount=part, remaining=grant.remaining - part))
            amount -= part
    return tuple(portions)


def first(portions: Iterable[Portion], amount: int) -> tuple[Portion, ...]:
    """The first so many credits of some portions, each as it was noted."""
    found: list[Portion] = []
    for portion in portions:
        if amount == 0:
            break
        part = min(portion.amount, amount)
        found.append(Portion(entry_id=portion.entry_id, amount=part, remaining=portion.remaining))
        amount -= part
    return tuple(found)


def amount_of(portions: Iterable[Portion]) -> int:
    return sum(portion.amount for portion in portions)


def released(wallet: Wallet, hold: Hold, reason: str) -> CreditsHoldReleased:
    """All that is held becomes free again; as far as the wallet owes something, it pays that."""
    grants = {grant.entry_id: grant for grant in wallet.grants}
    debt = wallet.debt
    portions: list[Portion] = []
    for portion in hold.portions:
        paid = min(debt, portion.amount)
        debt -= paid
        remaining = grants[portion.entry_id].remaining - paid
        portions.append(Portion(entry_id=portion.entry_id, amount=portion.amount, remaining=remaining))
    return CreditsHoldReleased(
        wallet_id=wallet.wallet_id,
        user_id=wallet.user_id,
        credit_type=wallet.credit_type,
        entry_id=entry_id(hold.hold_id, "released"),
        hold_id=hold.hold_id,
        amount=hold.amount,
        balance=wallet.balance,
        held=wallet.held - hold.amount,
        reason=reason,
        paid_debt=wallet.debt - debt,
        portions=tuple(portions),
    )
