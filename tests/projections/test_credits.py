"""The credits read model: balances, totals and the ledger."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from domain.wallet import (
    WALLETS,
    Clawback,
    Wallet,
    WalletEvent,
    consume,
    expire,
    freeze,
    grant,
    holds,
    purchase,
    restore,
    revoke,
    unfreeze,
    wallet_id,
)
from projections import credits
from projections.credits import Balance, Total
from runtime.postgres import Pool
from schemas.names import EVENTS
from tests.projections.conftest import Apply, Rows
from tests.published import History, put_in_store
from tests.samples import BEGINNING, PROJECT, purchased

HOUR = timedelta(hours=1)


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

    assert balances == [
        Balance(
            wallet_id=wallet_id(PROJECT, "u1", "api"),
            credit_type="api",
            balance=150,
            held=0,
            frozen=False,
            version=2,
            next_expiry=None,
        )
    ]


async def test_a_stranger_holds_nothing(apply: Apply, pool: Pool) -> None:
    apply(credits, bought(("u1", 100)).facts)

    assert await credits.balances(pool, "credits_1", PROJECT, "u2") == []
    assert await credits.balances(pool, "credits_1", "prj_other", "u1") == []


async def test_a_projects_totals_add_up_its_customers(apply: Apply, pool: Pool) -> None:
    apply(credits, bought(("u1", 100), ("u2", 5), ("u1", 50)).facts)

    assert await credits.project_totals(pool, "credits_1", PROJECT) == [
        Total(credit_type="api", balance=155, held=0, available=155, wallets=2)
    ]
    assert await credits.project_totals(pool, "credits_1", "prj_other") == []


def test_the_ledger_has_an_entry_for_every_fact_with_the_balance_after_it(apply: Apply, rows: Rows) -> None:
    apply(credits, bought(("u1", 100), ("u1", 50)).facts)

    entries = rows("credits_1.entries")

    assert [
        (entry["kind"], entry["amount"], entry["balance"], entry["details"]["payment_id"]) for entry in entries
    ] == [
        ("purchased", 100, 100, "pay_0"),
        ("purchased", 50, 150, "pay_1"),
    ]


def life() -> History:
    """A wallet to which everything happens that can."""
    history = History()
    wallet: Wallet | None = None
    stream = WALLETS.at(wallet_id(PROJECT, "u1", "api"))
    now = BEGINNING

    def happen(facts: Sequence[WalletEvent]) -> Wallet:
        nonlocal wallet
        history.commit(stream.facts(*facts))
        wallet = WALLETS.fold(facts, wallet)
        assert wallet is not None
        return wallet

    owner: dict[str, Any] = {"project_id": PROJECT, "user_id": "u1", "credit_type": "api"}
    hold_id = holds.hold_id(stream.id, "job")
    holding: dict[str, Any] = {"credit_type": "api", "amount": 30, "reference": "job", "now": now}
    wallet = happen(purchase(None, **owner, amount=100, payment_id="pay_1", product_id="pack", now=now))
    wallet = happen(
        grant(
            wallet, **owner, amount=50, entry_id="ent_gift", reason="gift", now=now, priority=1, expires_at=now + HOUR
        )
    )
    wallet = happen(consume(wallet, credit_type="api", amount=70, entry_id="ent_s", reference="report", now=now))
    wallet = happen(holds.hold(wallet, hold_id=hold_id, expires_at=now + HOUR, **holding))
    wallet = happen(holds.capture(wallet, hold_id=hold_id, amount=10, now=now))
    wallet = happen(
        grant(wallet, **owner, amount=5, entry_id="ent_brief", reason="gift", now=now, expires_at=now + HOUR)
    )
    wallet = happen(expire(wallet, now + HOUR))
    wallet = happen(freeze(wallet, freeze_id="dp_1", reason="dispute"))
    wallet = happen(
        revoke(
            wallet,
            revocation_id="re_1",
            entry_id="ent_pay_1",
            amount=100,
            policy=Clawback.ALLOW_DEBT,
            reason="refund",
            now=now,
        )
    )
    wallet = happen(purchase(wallet, **owner, amount=40, payment_id="pay_2", product_id="pack", now=now))
    wallet = happen(restore(wallet, revocation_id="re_1", reason="it failed", now=now))
    happen(unfreeze(wallet, freeze_id="dp_1"))
    assert {fact.type for fact in history.facts} == {name for name in EVENTS if name.startswith("credits.")}
    return history


async def test_a_wallet_s_row_is_what_its_facts_fold_to(apply: Apply, pool: Pool) -> None:
    facts = life().facts
    wallet = WALLETS.fold([cast(WalletEvent, fact.event) for fact in facts])
    assert wallet is not None
    apply(credits, facts)

    (balance,) = await credits.balances(pool, "credits_1", PROJECT, "u1")

    assert (balance.balance, balance.held, balance.available) == (wallet.balance, wallet.held, wallet.available)
    assert balance.version == len(facts)


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 100])
def test_it_does_not_matter_how_facts_are_cut_into_batches(apply: Apply, rows: Rows, at_once: int) -> None:
    facts = life().facts
    tables = ("credits_1.wallets", "credits_1.grants", "credits_1.entries")
    for start in range(0, len(facts), at_once):
        apply(credits, facts[start : start + at_once])
    cut = [rows(table) for table in tables]

    apply(credits, facts[:4])
    apply(credits, facts)

    assert [rows(table) for table in tables] == cut
    assert [entry["balance"] for entry in cut[2]] == [cast(WalletEvent, fact.event).balance for fact in facts]
    wallet = WALLETS.fold([cast(WalletEvent, fact.event) for fact in facts])
    assert wallet is not None
    assert {grant["entry_id"]: grant["remaining"] for grant in cut[1]} == {
        **dict.fromkeys(wallet.spent, 0),
        **{grant.entry_id: grant.remaining for grant in wallet.grants},
    }


async def test_a_wallet_is_frozen_until_its_last_freeze_is_lifted(apply: Apply, pool: Pool) -> None:
    facts = life().facts
    seen = []
    for fact in facts:
        apply(credits, [fact])
        (balance,) = await credits.balances(pool, "credits_1", PROJECT, "u1")
        seen.append((fact.type.removeprefix("credits."), balance.frozen))

    first = seen.index(("frozen", True))
    assert {frozen for _, frozen in seen[:first]} == {False}
    assert {frozen for _, frozen in seen[first:-1]} == {True}
    assert seen[-1] == ("unfrozen", False)


async def test_the_next_expiry_is_that_of_what_is_left(apply: Apply, pool: Pool) -> None:
    facts = life().facts
    seen = []
    for fact in facts[:3]:
        apply(credits, [fact])
        (balance,) = await credits.balances(pool, "credits_1", PROJECT, "u1")
        seen.append(balance.next_expiry)

    assert seen == [None, BEGINNING + HOUR, None]


async def test_a_balance_as_of_a_position_is_what_was_shown_there(apply: Apply, database_url: str, pool: Pool) -> None:
    facts = life().facts
    put_in_store(database_url, facts)
    shown = []
    for fact in facts:
        apply(credits, [fact])
        shown.append(await credits.balances(pool, "credits_1", PROJECT, "u1"))

    as_of = [await credits.balances_as_of(pool, "credits_1", PROJECT, "u1", fact.position) for fact in facts]

    assert as_of == shown


async def test_the_ledger_says_of_each_spend_which_payments_paid_for_it(apply: Apply, pool: Pool) -> None:
    apply(credits, life().facts)

    found = await entries(pool)

    (spend,) = [entry for entry in found if entry.kind == "consumed"]
    assert [portion["entry_id"] for portion in spend.portions] == ["ent_gift", "ent_pay_1"]
    assert spend.paid_by == {"ent_pay_1": "pay_1"}
    assert spend.details == {"reference": "report"}
    (held,) = [entry for entry in found if entry.kind == "held"]
    assert held.details["expires_at"] == "2026-03-01T13:00:00.000000Z"


async def entries(pool: Pool, **changes: Any) -> Sequence[credits.Entry]:
    usual: dict[str, Any] = {"credit_type": None, "before_position": None, "limit": 100}
    return await credits.entries(pool, "credits_1", PROJECT, "u1", **{**usual, **changes})


async def test_pages_of_the_ledger_show_every_entry_once_newest_first(apply: Apply, pool: Pool) -> None:
    history = life()
    other = purchased("pay_9", user_id="u1", amount=1, balance=1, wallet_id="wal_other", credit_type="download")
    history.commit(WALLETS.at("wal_other").facts(other))
    apply(credits, history.facts)

    seen: list[int] = []
    before = None
    while page := await entries(pool, before_position=before, limit=4):
        seen += [entry.position for entry in page]
        before = seen[-1]

    assert seen == [fact.position for fact in reversed(history.facts)]
    assert [entry.credit_type for entry in await entries(pool, credit_type="download")] == ["download"]
    assert await entries(pool, credit_type="none") == []


async def test_what_is_held_and_a_debt_are_in_a_project_s_totals(apply: Apply, pool: Pool) -> None:
    history = bought(("u1", 100), ("u2", 50), ("u3", 7))
    for user_id, balance, held in (("u1", 100, 30), ("u2", -50, 0)):
        wallet = wallet_id(PROJECT, user_id, "api")
        event = purchased(f"pay_of_{user_id}", user_id=user_id, amount=1, balance=balance, held=held)
        history.commit(WALLETS.at(wallet).facts(event))
    apply(credits, history.facts)

    assert await credits.project_totals(pool, "credits_1", PROJECT) == [
        Total(credit_type="api", balance=57, held=30, available=77, wallets=3)
    ]


def test_applying_older_facts_again_changes_nothing(apply: Apply, rows: Rows) -> None:
    facts = bought(("u1", 100), ("u2", 5), ("u1", 50)).facts
    apply(credits, facts)
    before = (rows("credits_1.wallets"), rows("credits_1.entries"))

    apply(credits, facts[:1])
    apply(credits, facts)

    assert (rows("credits_1.wallets"), rows("credits_1.entries")) == before
