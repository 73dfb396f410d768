"""While something is disputed or somebody suspended, credits come in but none go out."""

from domain.wallet.errors import WalletFrozen
from domain.wallet.events import CreditsFrozen, CreditsUnfrozen, WalletEvent
from domain.wallet.state import Wallet, entry_id


def freeze(wallet: Wallet, *, freeze_id: str, reason: str) -> list[WalletEvent]:
    """Let nothing be spent, held or captured while this freeze stands. Several may stand at once."""
    if freeze_id in wallet.freezes:
        return []
    return [
        CreditsFrozen(
            wallet_id=wallet.wallet_id,
            user_id=wallet.user_id,
            credit_type=wallet.credit_type,
            entry_id=entry_id(wallet.wallet_id, freeze_id, "frozen"),
            freeze_id=freeze_id,
            reason=reason,
            amount=0,
            balance=wallet.balance,
            held=wallet.held,
            freezes=(*wallet.freezes, freeze_id),
        )
    ]


def unfreeze(wallet: Wallet, *, freeze_id: str) -> list[WalletEvent]:
    """Lift one freeze. Others that stand still stand."""
    if freeze_id not in wallet.freezes:
        return []
    return [
        CreditsUnfrozen(
            wallet_id=wallet.wallet_id,
            user_id=wallet.user_id,
            credit_type=wallet.credit_type,
            entry_id=entry_id(wallet.wallet_id, freeze_id, "unfrozen"),
            freeze_id=freeze_id,
            amount=0,
            balance=wallet.balance,
            held=wallet.held,
            freezes=tuple(standing for standing in wallet.freezes if standing != freeze_id),
        )
    ]


def check_not_frozen(wallet: Wallet) -> None:
    """Whether credits may go out. Raises `WalletFrozen`."""
    if wallet.freezes:
        raise WalletFrozen(wallet)
