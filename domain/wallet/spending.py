"""Credits spent. Whoever asks, and however many at once: never more than there are."""

from datetime import datetime

from domain.wallet.errors import InsufficientCredits
from domain.wallet.events import CreditsConsumed, WalletEvent
from domain.wallet.expiry import brought_up_to
from domain.wallet.freezing import check_not_frozen
from domain.wallet.portions import taken
from domain.wallet.state import Wallet


def consume(
    wallet: Wallet | None, *, credit_type: str, amount: int, entry_id: str, reference: str | None, now: datetime
) -> list[WalletEvent]:
    """Spend credits, in burn order. Raises `InsufficientCredits`, `WalletFrozen`.

    `reference` is the caller's word for what they are spent on. What has expired by now is recorded first.
    """
    due, wallet = spendable(wallet, credit_type, amount, now)
    return [
        *due,
        CreditsConsumed(
            wallet_id=wallet.wallet_id,
            user_id=wallet.user_id,
            credit_type=wallet.credit_type,
            entry_id=entry_id,
            amount=amount,
            balance=wallet.balance - amount,
            held=wallet.held,
            reference=reference,
            portions=taken(wallet.grants, amount),
        ),
    ]


def spendable(wallet: Wallet | None, credit_type: str, amount: int, now: datetime) -> tuple[list[WalletEvent], Wallet]:
    """The wallet at this moment, with what must be recorded first, if it has so much to spend."""
    assert amount > 0, "whoever spends nothing does not ask"
    if wallet is None:
        raise InsufficientCredits(credit_type, amount, 0)
    due, wallet = brought_up_to(wallet, now)
    check_not_frozen(wallet)
    if amount > wallet.available:
        raise InsufficientCredits(credit_type, amount, wallet.available)
    return due, wallet
