"""Wallets as tests need them: what is in them, and what was done with them since."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from domain.wallet import WALLETS, Clawback, Wallet, WalletEvent, consume, grant, holds, purchase, revoke

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWNER: dict[str, Any] = {"project_id": "prj_1", "user_id": "u1", "credit_type": "api"}
HOLD = "hold_00000000000000000000000000000001_00000000000000000000000000000001"

Fact = TypeVar("Fact")


def after(wallet: Wallet | None, facts: Sequence[WalletEvent]) -> Wallet:
    """The wallet once these facts have happened to it."""
    folded = WALLETS.fold(facts, wallet)
    assert folded is not None
    return folded


def bought(amount: int, payment_id: str = "pay_1", wallet: Wallet | None = None, **changes: Any) -> Wallet:
    """A wallet into which a payment has put credits: the entry `ent_pay_1`."""
    facts = purchase(
        wallet, **{**OWNER, "amount": amount, "payment_id": payment_id, "product_id": "pack", "now": NOW, **changes}
    )
    return after(wallet, facts)


def given(amount: int, entry_id: str, wallet: Wallet | None = None, **changes: Any) -> Wallet:
    """A wallet that was given credits, under this entry."""
    facts = grant(
        wallet, **{**OWNER, "amount": amount, "entry_id": entry_id, "reason": "a gift", "now": NOW, **changes}
    )
    return after(wallet, facts)


def spend(wallet: Wallet | None, amount: int, now: datetime = NOW) -> list[WalletEvent]:
    return consume(wallet, credit_type="api", amount=amount, entry_id="ent_spend", reference="job-1", now=now)


def hold(wallet: Wallet, amount: int, hold_id: str = HOLD, hours: int = 1) -> list[WalletEvent]:
    return holds.hold(
        wallet,
        credit_type="api",
        hold_id=hold_id,
        amount=amount,
        expires_at=NOW + hours * HOUR,
        reference="job-1",
        now=NOW,
    )


def take_back(
    wallet: Wallet, amount: int, policy: Clawback, entry_id: str = "ent_pay_1", revocation_id: str = "re_1"
) -> list[WalletEvent]:
    return revoke(
        wallet,
        revocation_id=revocation_id,
        entry_id=entry_id,
        amount=amount,
        policy=policy,
        reason="refund",
        now=NOW,
    )


def one(facts: Sequence[WalletEvent], kind: type[Fact]) -> Fact:
    """The one fact of this kind among these."""
    (found,) = [fact for fact in facts if isinstance(fact, kind)]
    return found


def left(wallet: Wallet) -> dict[str, int]:
    """What is left of each grant, in burn order."""
    return {each.entry_id: each.remaining for each in wallet.grants}
