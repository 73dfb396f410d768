"""What a wallet holds, and that no payment fills it twice."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as some

from domain.wallet import WALLETS, CreditsPurchased, Wallet, purchase, wallet_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def buy(wallet: Wallet | None, payment_id: str, amount: int) -> Wallet | None:
    facts = purchase(
        wallet,
        project_id="prj_1",
        user_id="u1",
        credit_type="api",
        amount=amount,
        payment_id=payment_id,
        product_id="pack",
        now=NOW,
    )
    return WALLETS.fold(facts, wallet)


def test_the_first_purchase_opens_the_wallet() -> None:
    wallet = buy(None, "pay_1", 1000)

    assert wallet is not None
    assert (wallet.wallet_id, wallet.balance) == (wallet_id("prj_1", "u1", "api"), 1000)


def test_one_payment_buys_once() -> None:
    wallet = buy(buy(None, "pay_1", 1000), "pay_1", 1000)

    assert wallet is not None
    assert wallet.balance == 1000


def test_a_purchase_of_nothing_is_no_fact() -> None:
    assert buy(None, "pay_1", 0) is None


def test_a_wallet_belongs_to_one_user_of_one_project_and_one_credit_type() -> None:
    ids = {wallet_id(p, u, t) for p in ("prj_1", "prj_2") for u in ("u1", "u2") for t in ("api", "download")}

    assert len(ids) == 8


@given(some.lists(some.tuples(some.integers(1, 5), some.integers(0, 10_000))))
def test_the_balance_is_the_sum_of_what_distinct_payments_bought(bought: list[tuple[int, int]]) -> None:
    wallet: Wallet | None = None
    first: dict[int, int] = {}
    for payment, amount in bought:
        wallet = buy(wallet, f"pay_{payment}", amount)
        if amount:
            first.setdefault(payment, amount)

    assert (wallet.balance if wallet else 0) == sum(first.values())


def test_each_fact_carries_the_balance_after_it() -> None:
    wallet = buy(None, "pay_1", 1000)
    (fact,) = purchase(
        wallet,
        project_id="prj_1",
        user_id="u1",
        credit_type="api",
        amount=500,
        payment_id="pay_2",
        product_id="pack",
        now=NOW,
    )

    assert isinstance(fact, CreditsPurchased)
    assert fact.balance == 1500
