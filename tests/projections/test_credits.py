"""The credits read model: balances, totals and the ledger."""

from domain.wallet import WALLETS, wallet_id
from projections import credits
from projections.credits import Balance, Total
from runtime.postgres import Pool
from tests.projections.conftest import Apply, Rows
from tests.published import History
from tests.samples import PROJECT, purchased


def bought(*purchases: tuple[str, int]) -> History:
    """What users bought, in this order: `("u1", 100)`."""
    history = History()
    balances: dict[str, int] = {}
    for number, (user_id, amount) in enumerate(purchases):
        balances[user_id] = balances.get(user_id, 0) + amount
        event = purchased(f"pay_{number}", user_id=user_id, amount=amount, balance=balances[user_id])
        history.commit(WALLETS.at(event.wallet_id).facts(event))
    return history


async def test_a_balance_is_what_was_bought_together(apply: Apply, pool: Pool) -> None:
    facts = bought(("u1", 100), ("u2", 5), ("u1", 50)).facts
    apply(credits, facts[:1])
    apply(credits, facts[1:])

    balances = await credits.balances(pool, "credits_1", PROJECT, "u1")

    assert balances == [Balance(wallet_id=wallet_id(PROJECT, "u1", "api"), credit_type="api", balance=150, version=2)]


async def test_a_stranger_holds_nothing(apply: Apply, pool: Pool) -> None:
    apply(credits, bought(("u1", 100)).facts)

    assert await credits.balances(pool, "credits_1", PROJECT, "u2") == []
    assert await credits.balances(pool, "credits_1", "prj_other", "u1") == []


async def test_a_projects_totals_add_up_its_customers(apply: Apply, pool: Pool) -> None:
    apply(credits, bought(("u1", 100), ("u2", 5), ("u1", 50)).facts)

    assert await credits.project_totals(pool, "credits_1", PROJECT) == [
        Total(credit_type="api", balance=155, wallets=2)
    ]
    assert await credits.project_totals(pool, "credits_1", "prj_other") == []


def test_the_ledger_has_an_entry_for_every_fact_with_the_balance_after_it(apply: Apply, rows: Rows) -> None:
    apply(credits, bought(("u1", 100), ("u1", 50)).facts)

    entries = rows("credits_1.entries")

    assert [(entry["kind"], entry["amount"], entry["balance"], entry["payment_id"]) for entry in entries] == [
        ("purchased", 100, 100, "pay_0"),
        ("purchased", 50, 150, "pay_1"),
    ]


def test_applying_older_facts_again_changes_nothing(apply: Apply, rows: Rows) -> None:
    facts = bought(("u1", 100), ("u2", 5), ("u1", 50)).facts
    apply(credits, facts)
    before = (rows("credits_1.wallets"), rows("credits_1.entries"))

    apply(credits, facts[:1])
    apply(credits, facts)

    assert (rows("credits_1.wallets"), rows("credits_1.entries")) == before
