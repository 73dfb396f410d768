"""Taking credits back, and giving them back after all."""

import pytest

from domain.wallet import (
    Clawback,
    CreditsExpired,
    CreditsRestored,
    CreditsRevoked,
    Portion,
    Wallet,
    WalletEvent,
    holds,
    restore,
)
from domain.wallet.errors import InsufficientCredits
from tests.domain.wallet.wallets import HOLD, HOUR, NOW, after, bought, given, hold, left, one, spend, take_back

REMAINING, DEBT = Clawback.REMAINING_ONLY, Clawback.ALLOW_DEBT


def give_back(wallet: Wallet, amount: int | None = None, revocation_id: str = "re_1") -> list[WalletEvent]:
    return restore(wallet, revocation_id=revocation_id, amount=amount, reason="the refund failed", now=NOW)


def revoked(wallet: Wallet, amount: int, policy: Clawback, revocation_id: str = "re_1") -> Wallet:
    return after(wallet, take_back(wallet, amount, policy, revocation_id=revocation_id))


def after_spending(amount: int, wallet: Wallet) -> Wallet:
    return after(wallet, spend(wallet, amount))


@pytest.mark.parametrize("policy", Clawback)
def test_what_is_left_of_a_purchase_is_taken_back(policy: Clawback) -> None:
    fact = one(take_back(bought(100), 100, policy), CreditsRevoked)

    assert (fact.amount, fact.shortfall, fact.new_debt, fact.balance) == (100, 0, 0, 0)
    assert fact.portions == (Portion(entry_id="ent_pay_1", amount=100, remaining=0),)
    assert (fact.grant_entry_id, fact.policy) == ("ent_pay_1", policy.value)


def test_spent_is_spent_where_only_what_remains_is_taken() -> None:
    wallet = after_spending(30, given(50, "ent_gift", bought(100), priority=200))

    fact = one(take_back(wallet, 100, REMAINING), CreditsRevoked)

    assert (fact.amount, fact.shortfall, fact.new_debt, fact.balance) == (70, 30, 0, 50)


def test_a_revocation_that_finds_nothing_is_recorded_all_the_same() -> None:
    fact = one(take_back(after_spending(100, bought(100)), 100, REMAINING), CreditsRevoked)

    assert (fact.amount, fact.shortfall, fact.portions) == (0, 100, ())


def test_where_debt_is_allowed_other_grants_pay_first_and_then_it_is_owed() -> None:
    wallet = given(50, "ent_gift", after_spending(30, bought(100)))

    fact = one(take_back(wallet, 100, DEBT), CreditsRevoked)
    assert (fact.amount, fact.new_debt, fact.balance) == (100, 0, 20)
    assert fact.portions == (
        Portion(entry_id="ent_pay_1", amount=70, remaining=0),
        Portion(entry_id="ent_gift", amount=30, remaining=20),
    )

    fact = one(take_back(after_spending(100, bought(100)), 100, DEBT), CreditsRevoked)
    assert (fact.amount, fact.new_debt, fact.balance, fact.portions) == (100, 100, -100, ())


def test_under_a_debt_nothing_is_available() -> None:
    wallet = revoked(after_spending(100, bought(100)), 100, DEBT)

    assert (wallet.balance, wallet.available) == (-100, 0)
    with pytest.raises(InsufficientCredits) as refused:
        spend(wallet, 1)
    assert refused.value.details["available"] == 0


def test_later_credits_pay_the_debt_first() -> None:
    wallet = revoked(after_spending(100, bought(100)), 100, DEBT)

    wallet = bought(60, "pay_2", wallet)
    assert (wallet.balance, wallet.debt, wallet.available, left(wallet)) == (-40, 40, 0, {})

    wallet = given(60, "ent_gift", wallet)
    assert (wallet.balance, wallet.debt, wallet.available, left(wallet)) == (20, 0, 20, {"ent_gift": 20})


def test_no_more_is_taken_of_a_grant_than_it_brought_by_however_many_revocations() -> None:
    wallet = after_spending(20, bought(100))
    for number, policy in enumerate((REMAINING, DEBT, DEBT)):
        wallet = revoked(wallet, 60, policy, f"re_{number}")

    assert wallet.balance == -20
    assert [each.amount for each in wallet.revocations.values()] == [60, 40, 0]


def test_one_revocation_takes_once() -> None:
    wallet = revoked(bought(100), 40, REMAINING)

    assert take_back(wallet, 40, REMAINING) == []
    assert take_back(wallet, 0, REMAINING, revocation_id="re_2") == []


def test_held_credits_are_not_taken_back() -> None:
    wallet = after(bought(100), hold(bought(100), 60))

    fact = one(take_back(wallet, 100, REMAINING), CreditsRevoked)
    assert (fact.amount, fact.shortfall) == (40, 60)

    fact = one(take_back(wallet, 100, DEBT), CreditsRevoked)
    assert (fact.amount, fact.new_debt, fact.balance, fact.held) == (100, 60, 0, 60)


def test_held_credits_that_become_free_pay_the_debt() -> None:
    wallet = revoked(after(bought(100), hold(bought(100), 60)), 100, DEBT)
    wallet = after(wallet, holds.capture(wallet, hold_id=HOLD, amount=10, now=NOW))

    assert (wallet.balance, wallet.debt, wallet.available, left(wallet)) == (-10, 10, 0, {})


def test_what_was_taken_back_after_its_expiry_is_nothing() -> None:
    wallet = bought(100, expires_at=NOW)

    facts = take_back(wallet, 100, REMAINING)

    assert [type(fact) for fact in facts] == [CreditsExpired, CreditsRevoked]
    assert one(facts, CreditsRevoked).amount == 0


def test_a_grant_that_is_not_known_any_more_counts_as_spent() -> None:
    wallet = given(10, "ent_gift")

    kept = one(take_back(wallet, 30, REMAINING), CreditsRevoked)
    owed = one(take_back(wallet, 30, DEBT), CreditsRevoked)

    assert (kept.amount, kept.shortfall) == (0, 30)
    assert (owed.amount, owed.new_debt, owed.balance) == (30, 20, -20)


def test_what_was_taken_is_given_back_to_its_grants() -> None:
    before = given(50, "ent_gift", after_spending(30, bought(100)))
    wallet = revoked(before, 100, DEBT)

    fact = one(give_back(wallet), CreditsRestored)
    wallet = after(wallet, [fact])

    assert (fact.amount, fact.paid_debt, fact.balance) == (100, 0, 120)
    assert (left(wallet), wallet.spent) == (left(before), before.spent)
    assert wallet.grants == before.grants


def test_what_is_owed_is_paid_first_when_something_is_given_back() -> None:
    wallet = revoked(after_spending(30, bought(100)), 100, DEBT)

    fact = one(give_back(wallet, 50), CreditsRestored)
    wallet = after(wallet, [fact])

    assert (fact.paid_debt, fact.balance, wallet.debt, left(wallet)) == (30, 20, 0, {"ent_pay_1": 20})


def test_a_debt_that_was_paid_meanwhile_comes_back_as_a_grant_of_its_own() -> None:
    wallet = revoked(after_spending(100, bought(100)), 100, DEBT)
    wallet = bought(100, "pay_2", wallet)
    assert wallet.balance == 0

    fact = one(give_back(wallet), CreditsRestored)
    wallet = after(wallet, [fact])

    assert (wallet.balance, left(wallet)) == (100, {fact.entry_id: 100})


def test_a_revocation_is_given_back_once() -> None:
    wallet = revoked(bought(100), 100, REMAINING)
    wallet = after(wallet, give_back(wallet, 60))

    assert give_back(wallet) == []
    assert give_back(wallet, revocation_id="re_unknown") == []
    assert wallet.balance == 60


def test_where_nothing_was_taken_nothing_is_given_back() -> None:
    wallet = revoked(after_spending(100, bought(100)), 100, REMAINING)

    assert give_back(wallet) == []


def test_no_more_is_given_back_than_was_taken() -> None:
    wallet = revoked(after_spending(30, bought(100)), 100, REMAINING)

    assert one(give_back(wallet, 1_000), CreditsRestored).amount == 70


def test_what_was_given_back_can_be_taken_again_by_another_revocation() -> None:
    wallet = revoked(bought(100), 100, REMAINING)
    wallet = after(wallet, give_back(wallet))

    assert revoked(wallet, 100, REMAINING, "re_2").balance == 0


def test_what_is_given_back_too_late_expires_at_once() -> None:
    wallet = revoked(bought(100, expires_at=NOW + HOUR), 100, REMAINING)

    facts = restore(wallet, revocation_id="re_1", reason="won", now=NOW + 2 * HOUR)

    assert [(type(fact), fact.amount, fact.balance) for fact in facts] == [
        (CreditsRestored, 100, 100),
        (CreditsExpired, 100, 0),
    ]
