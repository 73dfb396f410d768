"""Facts of a wallet. Stored for ever and published to Kafka: add fields, never rename them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsPurchased:
    """Credits were bought and paid for. `balance` is the wallet's balance afterwards."""

    wallet_id: str
    user_id: str
    credit_type: str
    entry_id: str
    amount: int
    balance: int
    payment_id: str
    product_id: str


WalletEvent = CreditsPurchased
