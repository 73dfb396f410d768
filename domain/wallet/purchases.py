"""Credits bought with a payment."""

from datetime import datetime

from domain.wallet.events import DEFAULT_PRIORITY, CreditsPurchased, WalletEvent
from domain.wallet.expiry import brought_up_to
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
    now: datetime,
    expires_at: datetime | None = None,
    priority: int = DEFAULT_PRIORITY,
) -> list[WalletEvent]:
    """Add what a payment bought. Its entry id derives from the payment, so that the same payment never buys twice."""
    entry_id = f"ent_{payment_id}"
    if amount == 0 or (wallet is not None and wallet.grant(entry_id)):
        return []
    due: list[WalletEvent] = []
    if wallet is not None:
        due, wallet = brought_up_to(wallet, now)
    return [
        *due,
        CreditsPurchased(
            wallet_id=wallet_id(project_id, user_id, credit_type),
            user_id=user_id,
            credit_type=credit_type,
            entry_id=entry_id,
            amount=amount,
            balance=(wallet.balance if wallet else 0) + amount,
            payment_id=payment_id,
            product_id=product_id,
            held=wallet.held if wallet else 0,
            priority=priority,
            expires_at=expires_at,
            paid_debt=min(wallet.debt, amount) if wallet else 0,
        ),
    ]
