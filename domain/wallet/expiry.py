"""What time alone does to a wallet: grants and holds end. It is recorded by whoever comes first after it."""

from datetime import datetime

from domain.wallet.events import CreditsExpired, Portion, WalletEvent
from domain.wallet.portions import released
from domain.wallet.state import Grant, Wallet, entry_id, evolve


def expire(wallet: Wallet, now: datetime) -> list[WalletEvent]:
    """End everything whose time has come: first holds, so that what becomes free of an old grant goes with it."""
    facts: list[WalletEvent] = []
    if wallet.next_hold_expiry is not None and wallet.next_hold_expiry <= now:
        for hold in [hold for hold in wallet.holds.values() if hold.expires_at <= now]:
            facts.append(released(wallet, hold, "expired"))
            wallet = evolve(wallet, facts[-1])
    for grant in wallet.grants:
        if grant.expires_at is not None and grant.expires_at <= now and grant.free:
            facts.append(_expired(wallet, grant))
            wallet = evolve(wallet, facts[-1])
    return facts


def brought_up_to(wallet: Wallet, now: datetime) -> tuple[list[WalletEvent], Wallet]:
    """What must be recorded before anything is decided at this moment, and the wallet after it."""
    facts = expire(wallet, now)
    for fact in facts:
        wallet = evolve(wallet, fact)
    return facts, wallet


def next_expiry(wallet: Wallet) -> datetime | None:
    """When time changes something next; None where it never does."""
    ends = [grant.expires_at for grant in wallet.grants if grant.expires_at is not None and grant.free]
    if wallet.next_hold_expiry is not None:
        ends.append(wallet.next_hold_expiry)
    return min(ends, default=None)


def _expired(wallet: Wallet, grant: Grant) -> CreditsExpired:
    """What was held at the time goes later, when it is released: each time under an id of its own."""
    return CreditsExpired(
        wallet_id=wallet.wallet_id,
        user_id=wallet.user_id,
        credit_type=wallet.credit_type,
        entry_id=entry_id(grant.entry_id, "expired", str(grant.remaining)),
        amount=grant.free,
        balance=wallet.balance - grant.free,
        held=wallet.held,
        portions=(Portion(entry_id=grant.entry_id, amount=grant.free, remaining=grant.held),),
    )
