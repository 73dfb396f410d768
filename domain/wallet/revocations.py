"""Credits taken back because their money went back, and returned where it did not after all."""

from datetime import datetime
from enum import StrEnum

from domain.wallet.events import CreditsRestored, CreditsRevoked, Portion, WalletEvent
from domain.wallet.expiry import brought_up_to
from domain.wallet.portions import amount_of, first, taken
from domain.wallet.state import Grant, Revocation, Wallet, entry_id, evolve


class Clawback(StrEnum):
    """What happens to credits that were spent before their money went back."""

    REMAINING_ONLY = "remaining_only"  # Spent is spent: only what is left of the very grant is taken.
    ALLOW_DEBT = "allow_debt"  # All is taken: then of other grants, then as a debt that later credits pay.


def revoke(
    wallet: Wallet,
    *,
    revocation_id: str,
    entry_id: str,
    amount: int,
    policy: Clawback,
    reason: str,
    now: datetime,
) -> list[WalletEvent]:
    """Take back up to `amount` of what the grant `entry_id` brought. A revocation id takes once.

    Held credits were promised to something under way, and stay. A grant that is not remembered any more counts as spent.
    """
    if revocation_id in wallet.revocations or amount == 0:
        return []
    due, wallet = brought_up_to(wallet, now)
    grant = wallet.grant(entry_id)
    revocable = amount if grant is None else min(amount, grant.amount - grant.revoked)
    portions = _to_take(wallet, grant, revocable, policy)
    new_debt = revocable - amount_of(portions) if policy is Clawback.ALLOW_DEBT else 0
    return [*due, _revoked(wallet, revocation_id, entry_id, amount, policy, reason, portions, new_debt)]


def restore(
    wallet: Wallet, *, revocation_id: str, amount: int | None = None, reason: str, now: datetime
) -> list[WalletEvent]:
    """Give back what a revocation took, or so much of it: once. What is still owed is paid first.

    The rest goes back to the grants it was taken from, and expires with them.
    """
    revocation = wallet.revocations.get(revocation_id)
    if revocation is None or revocation.restored or revocation.amount == 0 or amount == 0:
        return []
    due, wallet = brought_up_to(wallet, now)
    returned = revocation.amount if amount is None else min(amount, revocation.amount)
    paid_debt = min(wallet.debt, returned)
    entry_id = _entry_id(wallet, revocation_id, "restored")
    fact = CreditsRestored(
        wallet_id=wallet.wallet_id,
        user_id=wallet.user_id,
        credit_type=wallet.credit_type,
        entry_id=entry_id,
        revocation_id=revocation_id,
        grant_entry_id=revocation.grant_entry_id,
        reason=reason,
        amount=returned,
        paid_debt=paid_debt,
        balance=wallet.balance + returned,
        held=wallet.held,
        portions=_to_return(wallet, revocation, returned - paid_debt, entry_id),
    )
    expired, _ = brought_up_to(evolve(wallet, fact), now)
    return [*due, fact, *expired]


def _to_take(wallet: Wallet, grant: Grant | None, amount: int, policy: Clawback) -> tuple[Portion, ...]:
    """Of the very grant first, then of others where debt is allowed; in burn order, as all portions are."""
    own = [] if grant is None else [grant]
    others = [other for other in wallet.grants if other is not grant] if policy is Clawback.ALLOW_DEBT else []
    found = {portion.entry_id: portion for portion in taken([*own, *others], amount)}
    return tuple(found[each.entry_id] for each in wallet.grants if each.entry_id in found)


def _to_return(wallet: Wallet, revocation: Revocation, amount: int, own_entry_id: str) -> tuple[Portion, ...]:
    """To each grant what was taken from it. What was owed, and is paid since, becomes a grant of its own without an end."""
    portions = []
    for part in first(revocation.portions, amount):
        grant = wallet.grant(part.entry_id)
        if grant is not None:
            portions.append(
                Portion(entry_id=part.entry_id, amount=part.amount, remaining=grant.remaining + part.amount)
            )
    rest = amount - amount_of(portions)
    return (*portions, *([Portion(entry_id=own_entry_id, amount=rest, remaining=rest)] if rest else []))


def _revoked(
    wallet: Wallet,
    revocation_id: str,
    grant_entry_id: str,
    asked: int,
    policy: Clawback,
    reason: str,
    portions: tuple[Portion, ...],
    new_debt: int,
) -> CreditsRevoked:
    amount = amount_of(portions) + new_debt
    return CreditsRevoked(
        wallet_id=wallet.wallet_id,
        user_id=wallet.user_id,
        credit_type=wallet.credit_type,
        entry_id=_entry_id(wallet, revocation_id, "revoked"),
        revocation_id=revocation_id,
        grant_entry_id=grant_entry_id,
        policy=policy.value,
        reason=reason,
        amount=amount,
        shortfall=asked - amount,
        new_debt=new_debt,
        balance=wallet.balance - amount,
        held=wallet.held,
        portions=portions,
    )


def _entry_id(wallet: Wallet, revocation_id: str, what: str) -> str:
    return entry_id(wallet.wallet_id, revocation_id, what)
