"""Whole lives of payments and wallets as facts of a project, for reads that must show every step of them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from domain.payment import PAYMENTS
from domain.streams import Facts
from domain.wallet import WALLETS, Wallet, WalletEvent, consume, freeze, grant, purchase, unfreeze, wallet_id
from domain.wallet.expiry import expire
from domain.wallet.holds import capture, hold, hold_id, release
from tests.samples import BEGINNING, initiated, later_events

AGES = timedelta(days=400)


def of_payment(project_id: str, payment_id: str, user_id: str) -> Iterator[Facts]:
    """Every event that a payment can have, one in each commit."""
    payment = PAYMENTS.at(payment_id)
    yield payment.facts(initiated(payment_id, user_id=user_id, project_id=project_id))
    for event in later_events(payment_id):
        yield payment.facts(event)


def of_wallet(project_id: str, user_id: str, credit_type: str) -> Iterator[Facts]:
    """Bought, given, spent, held, captured, released, frozen, expired: one decision in each commit."""
    wallet: Wallet | None = None
    stream = WALLETS.at(wallet_id(project_id, user_id, credit_type))
    whose: dict[str, Any] = {"project_id": project_id, "user_id": user_id, "credit_type": credit_type}
    first_hold, second_hold = (hold_id(stream.id, cause) for cause in ("first", "second"))

    def decided(events: list[WalletEvent]) -> Facts:
        nonlocal wallet
        wallet = WALLETS.fold(events, wallet)
        return stream.facts(*events)

    def now() -> Wallet:
        assert wallet is not None
        return wallet

    def held(name: str, amount: int) -> list[WalletEvent]:
        return hold(
            now(),
            credit_type=credit_type,
            hold_id=name,
            amount=amount,
            expires_at=BEGINNING + timedelta(days=2),
            reference=None,
            now=BEGINNING,
        )

    yield decided(purchase(wallet, **whose, amount=1_000, payment_id="pay_1", product_id="pack", now=BEGINNING))
    yield decided(
        grant(
            wallet,
            **whose,
            amount=300,
            entry_id="ent_given",
            reason="welcome",
            now=BEGINNING,
            priority=1,
            expires_at=BEGINNING + timedelta(days=1),
        )
    )
    yield decided(
        consume(wallet, credit_type=credit_type, amount=250, entry_id="ent_spent", reference="job 1", now=BEGINNING)
    )
    yield decided(held(first_hold, 100))
    yield decided(held(second_hold, 40))
    yield decided(capture(now(), hold_id=first_hold, amount=70, now=BEGINNING))
    yield decided(release(now(), hold_id=second_hold, now=BEGINNING))
    yield decided(freeze(now(), freeze_id="dispute", reason="disputed"))
    yield decided(unfreeze(now(), freeze_id="dispute"))
    yield decided(expire(now(), BEGINNING + AGES))
