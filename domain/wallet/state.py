"""A wallet as its facts have made it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid5

from domain.streams import Kind
from domain.wallet.events import CreditsPurchased, WalletEvent

_NAMESPACE = UUID("0b6c1c57-8a0b-5a0e-b9d5-6d7a4f1c2e90")


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits that came in at once, and what is left of them."""

    entry_id: str
    amount: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    wallet_id: str
    user_id: str
    credit_type: str
    balance: int = 0
    grants: Mapping[str, Grant] = field(default_factory=dict)


def wallet_id(project_id: str, user_id: str, credit_type: str) -> str:
    """One wallet per project, user and credit type: `wal_` and 32 hexadecimal digits."""
    return f"wal_{uuid5(_NAMESPACE, f'{project_id}/{credit_type}/{user_id}').hex}"


def evolve(wallet: Wallet | None, event: WalletEvent) -> Wallet:
    """Apply one fact. Never refuses: what happened, happened."""
    if wallet is None:
        wallet = Wallet(wallet_id=event.wallet_id, user_id=event.user_id, credit_type=event.credit_type)
    match event:
        case CreditsPurchased():
            grant = Grant(event.entry_id, event.amount, event.amount)
            return replace(wallet, balance=event.balance, grants={**wallet.grants, event.entry_id: grant})


WALLETS: Kind[Wallet, WalletEvent] = Kind("credits", evolve)
