"""Credits bought with a payment."""

from domain.wallet.events import CreditsPurchased, WalletEvent
from domain.wallet.state import Wallet, wallet_id


def purchase(
    wallet: Wallet | None,
    *,
    project_id: str,
    user_id: str,
    credit_type: str,
    amount: int,
    payment_id: str,
    product_id: str,
) -> list[WalletEvent]:
    """Add what a payment bought. A payment's entry id derives from it, so the same payment never buys twice."""
    entry_id = f"ent_{payment_id}"
    if amount == 0 or (wallet is not None and entry_id in wallet.grants):
        return []
    return [
        CreditsPurchased(
            wallet_id=wallet_id(project_id, user_id, credit_type),
            user_id=user_id,
            credit_type=credit_type,
            entry_id=entry_id,
            amount=amount,
            balance=(wallet.balance if wallet else 0) + amount,
            payment_id=payment_id,
            product_id=product_id,
        )
    ]
