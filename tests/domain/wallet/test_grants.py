"""Credits given, and what time does to them."""

from datetime import timedelta

import pytest

from domain.wallet import CreditsExpired, CreditsGranted, Portion, expire, grant, grants, wallet_id
from domain.wallet.errors import BalanceTooLarge, ExpiryInThePast, TooManyGrants
from domain.wallet.expiry import next_expiry
from domain.wallet.state import SPENT_GRANTS_KEPT
from tests.domain.wallet.wallets import HOUR, NOW, OWNER, after, bought, given, hold, left, one, spend


def test_the_first_grant_opens_the_wallet() -> None:
    facts = grant(None, **OWNER, amount=50, entry_id="ent_in_1", reason="cycle", now=NOW, invoice_id="in_1")

    fact = one(facts, CreditsGranted)
    assert (fact.wallet_id, fact.balance, fact.held) == (wallet_id("prj_1", "u1", "api"), 50, 0)
    assert (fact.reason, fact.invoice_id, fact.expires_at) == ("cycle", "in_1", None)


def test_one_cause_gives_once() -> None:
    wallet = given(50, "ent_1")
    spent = after(wallet, spend(wallet, 50))

    assert grant(wallet, **OWNER, amount=50, entry_id="ent_1", reason="again", now=NOW) == []
    assert grant(spent, **OWNER, amount=50, entry_id="ent_1", reason="again", now=NOW) == []


def test_a_grant_of_nothing_is_no_fact() -> None:
    assert grant(None, **OWNER, amount=0, entry_id="ent_1", reason="nothing", now=NOW) == []


def test_what_is_left_of_a_grant_goes_when_its_time_has_come() -> None:
    wallet = given(50, "ent_1", bought(100), expires_at=NOW + HOUR)
    wallet = after(wallet, spend(wallet, 20))

    assert expire(wallet, NOW + HOUR - timedelta(microseconds=1)) == []
    fact = one(expire(wallet, NOW + HOUR), CreditsExpired)
    assert (fact.amount, fact.balance) == (30, 100)
    assert fact.portions == (Portion(entry_id="ent_1", amount=30, remaining=0),)
    assert expire(after(wallet, [fact]), NOW + HOUR) == []


def test_each_grant_that_is_due_has_its_own_fact() -> None:
    wallet = given(1, "ent_1", given(2, "ent_2", expires_at=NOW + HOUR), expires_at=NOW + 2 * HOUR)

    facts = expire(wallet, NOW + 3 * HOUR)

    assert [(fact.amount, fact.balance) for fact in facts] == [(2, 1), (1, 0)]


def test_a_grant_after_an_expiry_records_the_expiry_first() -> None:
    wallet = given(50, "ent_1", expires_at=NOW + HOUR)

    facts = grant(wallet, **OWNER, amount=10, entry_id="ent_2", reason="more", now=NOW + HOUR)

    assert [(type(fact), fact.balance) for fact in facts] == [(CreditsExpired, 0), (CreditsGranted, 10)]


def test_the_next_expiry_is_of_what_can_still_expire() -> None:
    wallet = given(5, "ent_1", given(5, "ent_2", expires_at=NOW + HOUR), expires_at=NOW + 2 * HOUR)
    held = after(wallet, hold(wallet, 5, hours=3))
    spent = after(wallet, spend(wallet, 5))

    assert next_expiry(wallet) == NOW + HOUR
    assert next_expiry(spent) == NOW + 2 * HOUR
    assert next_expiry(held) == NOW + 2 * HOUR
    assert next_expiry(bought(5)) is None


def test_a_caller_may_not_give_what_is_over_before_it_began() -> None:
    with pytest.raises(ExpiryInThePast):
        grants.check_grantable(None, 10, NOW, NOW)


def test_a_caller_may_not_give_more_than_every_reader_can_hold() -> None:
    wallet = given(grants.MOST_BALANCE - 1, "ent_1")

    grants.check_grantable(wallet, 1, None, NOW)
    with pytest.raises(BalanceTooLarge):
        grants.check_grantable(wallet, 2, None, NOW)


def test_a_caller_may_not_give_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "MOST_OPEN_GRANTS", 2)
    wallet = given(1, "ent_2", given(1, "ent_1"))

    with pytest.raises(TooManyGrants):
        grants.check_grantable(wallet, 1, None, NOW)
    grants.check_grantable(after(wallet, spend(wallet, 1)), 1, None, NOW)


def test_of_grants_that_are_spent_only_the_latest_are_remembered() -> None:
    wallet = given(1, "ent_0")
    for number in range(1, SPENT_GRANTS_KEPT + 5):
        wallet = given(1, f"ent_{number}", wallet)
        wallet = after(wallet, spend(wallet, 1))

    assert len(wallet.spent) == SPENT_GRANTS_KEPT
    assert left(wallet) == {f"ent_{SPENT_GRANTS_KEPT + 4}": 1}
    assert wallet.grant("ent_0") is None
