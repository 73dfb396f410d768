"""Freezes: credits come in, none go out."""

from collections.abc import Callable

import pytest

from domain.wallet import (
    Clawback,
    CreditsFrozen,
    CreditsUnfrozen,
    Wallet,
    WalletEvent,
    expire,
    freeze,
    holds,
    unfreeze,
)
from domain.wallet.errors import WalletFrozen
from tests.domain.wallet.wallets import HOLD, HOUR, NOW, after, bought, given, hold, one, spend, take_back


def frozen(wallet: Wallet, *freeze_ids: str) -> Wallet:
    for freeze_id in freeze_ids:
        wallet = after(wallet, freeze(wallet, freeze_id=freeze_id, reason="dispute"))
    return wallet


@pytest.mark.parametrize(
    "go_out",
    [
        lambda wallet: spend(wallet, 1),
        lambda wallet: hold(wallet, 1, hold_id="hold_2"),
        lambda wallet: holds.capture(wallet, hold_id=HOLD, amount=None, now=NOW),
    ],
    ids=["spend", "hold", "capture"],
)
def test_nothing_goes_out_of_a_frozen_wallet(go_out: Callable[[Wallet], list[WalletEvent]]) -> None:
    wallet = frozen(after(bought(100), hold(bought(100), 10)), "dp_1")

    with pytest.raises(WalletFrozen) as refused:
        go_out(wallet)
    assert (refused.value.code, refused.value.details) == ("wallet_frozen", {"reasons": "dispute"})


def test_credits_still_come_in_and_are_released_taken_back_and_expire() -> None:
    wallet = frozen(after(bought(100), hold(bought(100), 10)), "dp_1")
    wallet = given(5, "ent_gift", bought(50, "pay_2", wallet), expires_at=NOW + HOUR)
    wallet = after(wallet, holds.release(wallet, hold_id=HOLD, now=NOW))
    wallet = after(wallet, take_back(wallet, 100, Clawback.REMAINING_ONLY))
    wallet = after(wallet, expire(wallet, NOW + HOUR))

    assert (wallet.balance, wallet.held) == (50, 0)


def test_every_freeze_must_be_lifted() -> None:
    wallet = frozen(bought(100), "dp_1", "cus_1")
    fact = one(unfreeze(wallet, freeze_id="dp_1"), CreditsUnfrozen)
    wallet = after(wallet, [fact])

    assert fact.freezes == ("cus_1",)
    with pytest.raises(WalletFrozen):
        spend(wallet, 1)
    wallet = after(wallet, unfreeze(wallet, freeze_id="cus_1"))
    assert after(wallet, spend(wallet, 1)).balance == 99


def test_freezing_and_lifting_again_is_harmless() -> None:
    wallet = frozen(bought(100), "dp_1")

    assert freeze(wallet, freeze_id="dp_1", reason="dispute") == []
    assert unfreeze(wallet, freeze_id="dp_2") == []


def test_a_freeze_moves_no_credits() -> None:
    fact = one(freeze(bought(100), freeze_id="dp_1", reason="dispute"), CreditsFrozen)

    assert (fact.amount, fact.balance, fact.held, fact.freezes) == (0, 100, 0, ("dp_1",))
