"""Spending: in burn order, never more than there is."""

import pytest

from domain.wallet import CreditsConsumed, CreditsExpired, Portion
from domain.wallet.errors import InsufficientCredits
from tests.domain.wallet.wallets import HOUR, NOW, after, bought, given, hold, left, one, spend


def test_a_spend_says_which_grants_it_came_from() -> None:
    wallet = given(30, "ent_gift", bought(100), priority=1)

    fact = one(spend(wallet, 50), CreditsConsumed)

    assert fact.portions == (
        Portion(entry_id="ent_gift", amount=30, remaining=0),
        Portion(entry_id="ent_pay_1", amount=20, remaining=80),
    )
    assert (fact.amount, fact.balance, fact.held, fact.reference) == (50, 80, 0, "job-1")


def test_grants_are_spent_by_priority_then_by_expiry_then_by_age() -> None:
    wallet = given(1, "ent_oldest")
    wallet = given(1, "ent_later", wallet, expires_at=NOW + 2 * HOUR)
    wallet = given(1, "ent_sooner", wallet, expires_at=NOW + HOUR)
    wallet = given(1, "ent_newest", wallet)
    wallet = given(1, "ent_first", wallet, priority=1)
    wallet = given(1, "ent_last", wallet, priority=200, expires_at=NOW + HOUR)

    fact = one(spend(wallet, 6), CreditsConsumed)

    assert [portion.entry_id for portion in fact.portions] == [
        "ent_first",
        "ent_sooner",
        "ent_later",
        "ent_oldest",
        "ent_newest",
        "ent_last",
    ]


def test_all_can_be_spent_and_not_one_more() -> None:
    wallet = after(bought(100), spend(bought(100), 100))

    assert (wallet.balance, wallet.available, wallet.grants) == (0, 0, ())
    with pytest.raises(InsufficientCredits):
        spend(wallet, 1)


def test_a_refusal_says_what_is_available() -> None:
    with pytest.raises(InsufficientCredits) as refused:
        spend(bought(100), 101)

    assert refused.value.details == {"credit_type": "api", "requested": 101, "available": 100}
    assert refused.value.type == "insufficient_funds"


def test_whoever_never_had_credits_has_none_to_spend() -> None:
    with pytest.raises(InsufficientCredits) as refused:
        spend(None, 1)

    assert refused.value.details["available"] == 0


def test_held_credits_cannot_be_spent() -> None:
    wallet = after(bought(100), hold(bought(100), 60))

    assert (wallet.balance, wallet.available) == (100, 40)
    with pytest.raises(InsufficientCredits):
        spend(wallet, 41)
    assert after(wallet, spend(wallet, 40)).available == 0


def test_a_spend_after_an_expiry_records_the_expiry_first() -> None:
    wallet = given(30, "ent_gift", bought(100), expires_at=NOW + HOUR)

    facts = spend(wallet, 50, now=NOW + HOUR)

    assert [type(fact) for fact in facts] == [CreditsExpired, CreditsConsumed]
    assert one(facts, CreditsConsumed).portions == (Portion(entry_id="ent_pay_1", amount=50, remaining=50),)
    assert [fact.balance for fact in facts] == [100, 50]


def test_what_has_expired_cannot_be_spent_though_nobody_recorded_that_yet() -> None:
    wallet = given(30, "ent_gift", bought(100), expires_at=NOW + HOUR)

    with pytest.raises(InsufficientCredits) as refused:
        spend(wallet, 101, now=NOW + HOUR)
    assert refused.value.details["available"] == 100


def test_a_grant_is_good_until_the_moment_of_its_expiry() -> None:
    wallet = given(30, "ent_gift", expires_at=NOW + HOUR)

    assert after(wallet, spend(wallet, 30, now=NOW + HOUR - HOUR / 3600)).balance == 0


def test_a_wallet_with_a_million_spends_is_no_larger_than_one_with_one() -> None:
    wallet = bought(1_000)
    once = after(wallet, spend(wallet, 1))
    for _ in range(500):
        wallet = after(wallet, spend(wallet, 1))

    assert left(wallet) == {"ent_pay_1": 500}
    assert (len(wallet.spent), len(wallet.holds), len(wallet.ended_holds)) == (0, 0, 0)
    assert wallet.grants[0].number == once.grants[0].number
