"""Credits given: by a project of its own accord, or by an invoice of a subscription."""

from datetime import datetime

from domain.wallet.errors import BalanceTooLarge, ExpiryInThePast, TooManyGrants
from domain.wallet.events import DEFAULT_PRIORITY, CreditsGranted, WalletEvent
from domain.wallet.expiry import brought_up_to
from domain.wallet.state import Wallet, wallet_id

MOST_OPEN_GRANTS = 1_000
MOST_BALANCE = 1_000_000_000_000_000  # Fits a JSON number in every language (below 2^53) with room for what is bought.


def grant(
    wallet: Wallet | None,
    *,
    project_id: str,
    user_id: str,
    credit_type: str,
    amount: int,
    entry_id: str,
    reason: str,
    now: datetime,
    priority: int = DEFAULT_PRIORITY,
    expires_at: datetime | None = None,
    payment_id: str | None = None,
    subscription_id: str | None = None,
    invoice_id: str | None = None,
) -> list[WalletEvent]:
    """Give credits. `entry_id` derives from what caused it (a command, an invoice), which so never gives twice."""
    if amount == 0 or (wallet is not None and wallet.grant(entry_id)):
        return []
    due: list[WalletEvent] = []
    if wallet is not None:
        due, wallet = brought_up_to(wallet, now)
    return [
        *due,
        CreditsGranted(
            wallet_id=wallet_id(project_id, user_id, credit_type),
            user_id=user_id,
            credit_type=credit_type,
            entry_id=entry_id,
            amount=amount,
            balance=(wallet.balance if wallet else 0) + amount,
            held=wallet.held if wallet else 0,
            reason=reason,
            priority=priority,
            expires_at=expires_at,
            paid_debt=min(wallet.debt, amount) if wallet else 0,
            payment_id=payment_id,
            subscription_id=subscription_id,
            invoice_id=invoice_id,
        ),
    ]


def check_grantable(wallet: Wallet | None, amount: int, expires_at: datetime | None, now: datetime) -> None:
    """Whether a caller may give these credits. What was paid for is given without asking."""
    if expires_at is not None and expires_at <= now:
        raise ExpiryInThePast(expires_at)
    if wallet is None:
        return
    if len(wallet.grants) >= MOST_OPEN_GRANTS:
        raise TooManyGrants(MOST_OPEN_GRANTS)
    if wallet.balance + amount > MOST_BALANCE:
        raise BalanceTooLarge(MOST_BALANCE)
