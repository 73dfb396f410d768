"""Holds: credits set aside for something under way."""

from datetime import timedelta

import pytest

from domain.wallet import (
    CreditsExpired,
    CreditsHeld,
    CreditsHoldCaptured,
    CreditsHoldReleased,
    Portion,
    Wallet,
    WalletEvent,
    expire,
    holds,
    wallet_id,
)
from domain.wallet.errors import (
    CaptureExceedsHold,
    ExpiryInThePast,
    HoldNotOpen,
    HoldTooLong,
    InsufficientCredits,
    TooManyHolds,
)
from domain.wallet.state import ENDED_HOLDS_KEPT
from tests.domain.wallet.wallets import HOLD, HOUR, NOW, after, bought, given, hold, left, one, spend


def holding(amount: int, of: Wallet | None = None) -> Wallet:
    wallet = of or bought(100)
    return after(wallet, hold(wallet, amount))


def capture(wallet: Wallet, amount: int | None = None, hold_id: str = HOLD) -> list[WalletEvent]:
    return holds.capture(wallet, hold_id=hold_id, amount=amount, now=NOW)


def release(wallet: Wallet, hold_id: str = HOLD) -> list[WalletEvent]:
    return holds.release(wallet, hold_id=hold_id, now=NOW)


def test_a_hold_sets_credits_aside_and_moves_none() -> None:
    fact = one(hold(bought(100), 60), CreditsHeld)

    assert (fact.amount, fact.balance, fact.held) == (60, 100, 60)
    assert fact.portions == (Portion(entry_id="ent_pay_1", amount=60, remaining=100),)


def test_more_than_is_available_cannot_be_held() -> None:
    with pytest.raises(InsufficientCredits):
        hold(holding(60), 41, hold_id="hold_2")


def test_a_capture_spends_what_was_held() -> None:
    facts = capture(holding(60))

    fact = one(facts, CreditsHoldCaptured)
    assert (fact.amount, fact.balance, fact.held) == (60, 40, 0)
    assert fact.portions == (Portion(entry_id="ent_pay_1", amount=60, remaining=40),)
    assert len(facts) == 1


def test_a_capture_of_less_releases_the_rest() -> None:
    wallet = holding(60, given(20, "ent_gift", bought(100), priority=1))

    facts = capture(wallet, 25)

    assert [type(fact) for fact in facts] == [CreditsHoldCaptured, CreditsHoldReleased]
    captured, rest = one(facts, CreditsHoldCaptured), one(facts, CreditsHoldReleased)
    assert captured.portions == (
        Portion(entry_id="ent_gift", amount=20, remaining=0),
        Portion(entry_id="ent_pay_1", amount=5, remaining=95),
    )
    assert rest.portions == (Portion(entry_id="ent_pay_1", amount=35, remaining=95),)
    assert (rest.reason, rest.balance, rest.held) == ("captured", 95, 0)
    assert after(wallet, facts).available == 95


def test_a_release_lets_all_be_spent_again() -> None:
    wallet = holding(60)
    wallet = after(wallet, release(wallet))

    assert (wallet.balance, wallet.held, wallet.available) == (100, 0, 100)
    assert after(wallet, spend(wallet, 100)).balance == 0


def test_no_more_can_be_captured_than_is_held() -> None:
    with pytest.raises(CaptureExceedsHold) as refused:
        capture(holding(60), 61)

    assert refused.value.details == {"requested": 61, "held": 60}


def test_a_hold_that_has_ended_is_refused_with_how_it_ended() -> None:
    wallet = holding(60)
    released, captured = after(wallet, release(wallet)), after(wallet, capture(wallet))

    for ended, how in ((released, "requested"), (captured, "captured")):
        for again in (capture, release):
            with pytest.raises(HoldNotOpen) as refused:
                again(ended)
            assert refused.value.details == {"ending": how}


def test_a_hold_that_never_was_is_not_open() -> None:
    with pytest.raises(HoldNotOpen) as refused:
        capture(bought(100))

    assert refused.value.details == {"ending": None}


def test_a_hold_ends_by_time() -> None:
    wallet = holding(60)

    assert expire(wallet, NOW + HOUR - timedelta(microseconds=1)) == []
    fact = one(expire(wallet, NOW + HOUR), CreditsHoldReleased)
    assert (fact.reason, fact.amount, fact.balance, fact.held) == ("expired", 60, 100, 0)
    with pytest.raises(HoldNotOpen) as refused:
        holds.capture(wallet, hold_id=HOLD, amount=None, now=NOW + HOUR)
    assert refused.value.details == {"ending": "expired"}


def test_a_spend_gets_what_an_expired_hold_had() -> None:
    facts = spend(holding(60), 100, now=NOW + HOUR)

    assert isinstance(facts[0], CreditsHoldReleased)
    assert after(holding(60), facts).balance == 0


def test_held_credits_outlive_their_grant_until_the_hold_ends() -> None:
    wallet = given(100, "ent_gift", expires_at=NOW + HOUR / 2)
    wallet = after(wallet, hold(wallet, 60))

    gone = one(expire(wallet, NOW + HOUR / 2), CreditsExpired)
    wallet = after(wallet, [gone])
    assert (gone.amount, wallet.balance, wallet.held) == (40, 60, 60)
    assert expire(wallet, NOW + HOUR / 2) == []

    later = NOW + HOUR * 3 / 4
    facts = holds.capture(wallet, hold_id=HOLD, amount=50, now=later)
    assert [(type(fact), fact.amount) for fact in facts] == [
        (CreditsHoldCaptured, 50),
        (CreditsHoldReleased, 10),
        (CreditsExpired, 10),
    ]
    assert after(wallet, facts).balance == 0
    assert len({fact.entry_id for fact in (gone, *facts)}) == 4


def test_a_hold_needs_a_time_to_come_and_not_too_far_away() -> None:
    with pytest.raises(ExpiryInThePast):
        hold(bought(100), 1, hours=0)
    with pytest.raises(HoldTooLong):
        hold(bought(100), 1, hours=31 * 24 + 1)


def test_holds_are_many_but_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "MOST_OPEN_HOLDS", 3)
    wallet = bought(100)
    for number in range(3):
        wallet = after(wallet, hold(wallet, 1, hold_id=f"hold_{number}"))

    with pytest.raises(TooManyHolds):
        hold(wallet, 1, hold_id="hold_4")


def test_the_next_expiry_is_that_of_the_hold_that_ends_first() -> None:
    wallet = bought(100)
    for hours, name in ((3, "hold_3"), (1, "hold_1"), (2, "hold_2")):
        wallet = after(wallet, hold(wallet, 1, hold_id=name, hours=hours))
    seen = [wallet.next_hold_expiry]
    for name in ("hold_1", "hold_3", "hold_2"):
        wallet = after(wallet, release(wallet, name))
        seen.append(wallet.next_hold_expiry)

    assert seen == [NOW + HOUR, NOW + 2 * HOUR, NOW + 2 * HOUR, None]


def test_only_the_latest_endings_are_remembered() -> None:
    wallet = bought(100)
    for number in range(ENDED_HOLDS_KEPT + 10):
        wallet = after(wallet, hold(wallet, 1, hold_id=f"hold_{number}"))
        wallet = after(wallet, release(wallet, f"hold_{number}"))

    assert (len(wallet.ended_holds), len(wallet.holds)) == (ENDED_HOLDS_KEPT, 0)
    assert left(wallet) == {"ent_pay_1": 100}


def test_a_hold_s_id_says_in_which_wallet_it_stands() -> None:
    wallet = wallet_id("prj_1", "u1", "api")
    first, second = holds.hold_id(wallet, "cause 1"), holds.hold_id(wallet, "cause 2")

    assert first != second
    assert holds.wallet_id_of(first) == holds.wallet_id_of(second) == wallet
