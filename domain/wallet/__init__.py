"""A wallet: the credits of one type that one customer of one project holds."""

from domain.wallet.events import CreditsPurchased, WalletEvent
from domain.wallet.purchases import purchase
from domain.wallet.state import WALLETS, Grant, Wallet, wallet_id

__all__ = ["WALLETS", "CreditsPurchased", "Grant", "Wallet", "WalletEvent", "purchase", "wallet_id"]
