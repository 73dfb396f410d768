"""A wallet: the credits of one type that one customer of one project holds."""

from domain.wallet.events import (
    DEFAULT_PRIORITY,
    CreditsConsumed,
    CreditsExpired,
    CreditsFrozen,
    CreditsGranted,
    CreditsHeld,
    CreditsHoldCaptured,
    CreditsHoldReleased,
    CreditsPurchased,
    CreditsRestored,
    CreditsRevoked,
    CreditsUnfrozen,
    Portion,
    WalletEvent,
)
from domain.wallet.expiry import expire
from domain.wallet.freezing import freeze, unfreeze
from domain.wallet.grants import grant
from domain.wallet.purchases import purchase
from domain.wallet.revocations import Clawback, restore, revoke
from domain.wallet.spending import consume
from domain.wallet.state import WALLETS, Grant, Wallet, entry_id, wallet_id

__all__ = [
    "DEFAULT_PRIORITY",
    "WALLETS",
    "Clawback",
    "CreditsConsumed",
    "CreditsExpired",
    "CreditsFrozen",
    "CreditsGranted",
    "CreditsHeld",
    "CreditsHoldCaptured",
    "CreditsHoldReleased",
    "CreditsPurchased",
    "CreditsRestored",
    "CreditsRevoked",
    "CreditsUnfrozen",
    "Grant",
    "Portion",
    "Wallet",
    "WalletEvent",
    "consume",
    "entry_id",
    "expire",
    "freeze",
    "grant",
    "purchase",
    "restore",
    "revoke",
    "unfreeze",
    "wallet_id",
]
