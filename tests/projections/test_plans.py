"""Every query of the API finds its rows by an index that fits it: it reads few more rows than it shows. So do folds."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection

from domain.payment import PAYMENTS
from domain.streams import Facts
from domain.subscription import SUBSCRIPTIONS
from domain.wallet import WALLETS, CreditsConsumed, Portion, wallet_id
from projections import audit, credits, payments, subscriptions
from projections.generations import Generation
from projections.payments import After, Filter
from projections.tables import COPY_FROM_ROWS
from runtime import postgres
from runtime.postgres import Pool
from tests.projections.conftest import Apply
from tests.projections.in_batches import fold_all
from tests.published import History, lives_of_payments
from tests.samples import BEGINNING, PROJECT, initiated, purchased
from tests.subscribing import created

Query = Callable[[Pool], Awaitable[Any]]

PAYMENTS_IN_ALL = 4_000
FEW = 60


def page(**wanted: Any) -> Query:
    after = After(BEGINNING + timedelta(seconds=3_000), "pay_3000")
    return lambda pool: payments.page(pool, "payments_1", PROJECT, wanted=Filter(**wanted), after=after, limit=20)


QUERIES: dict[str, Query] = {
    "payments by id": lambda pool: payments.by_ids(pool, "payments_1", ["pay_1", "pay_2"]),
    "versions of payments": lambda pool: payments.versions(pool, "payments_1", ["pay_1"]),
    "payments of a project": page(),
    "payments of a user": page(user_id="u7"),
    "payments by status": page(status="failed"),
    "payments of a product": page(product_id="course"),
    "payments of a subscription": page(subscription_id="sub_7"),
    "payments of a time": page(created_after=BEGINNING, created_before=BEGINNING + timedelta(seconds=3)),
    "subscriptions of a user": lambda pool: subscriptions.of_user(pool, "subscriptions_1", PROJECT, "u7"),
    "versions of subscriptions": lambda pool: subscriptions.versions(pool, "subscriptions_1", ["sub_7"]),
    "balances": lambda pool: credits.balances(pool, "credits_1", PROJECT, "u7"),
    "ledger of a customer": lambda pool: credits.entries(
        pool, "credits_1", PROJECT, "spender", credit_type=None, before_position=PAYMENTS_IN_ALL * 3 + 300, limit=20
    ),
    "totals of a project": lambda pool: credits.project_totals(pool, "credits_1", "prj_small"),
    "versions of wallets": lambda pool: credits.versions(pool, "credits_1", [wallet_id(PROJECT, "u7", "api")]),
    "trail of a payment": lambda pool: audit.of_stream(pool, "audit_1", PROJECT, "pay_7"),
    "trail of a project": lambda pool: audit.page(pool, "audit_1", PROJECT, after_position=3_000, limit=20),
    "versions of streams": lambda pool: audit.versions(pool, "audit_1", ["pay_7"]),
}


@pytest.fixture
def filled(apply: Apply, connection: Connection[Any]) -> None:
    """Many payments, each of a user who also holds credits."""
    history = History()
    for number in range(PAYMENTS_IN_ALL):
        payment_id, user_id = f"pay_{number}", f"u{number}"
        since = BEGINNING + timedelta(seconds=number)
        begun = initiated(payment_id, user_id=user_id, initiated_at=since, subscription_id=f"sub_{number}")
        bought = purchased(payment_id, user_id=user_id, amount=1, balance=1)
        subscribed = created(f"sub_{number}", user_id=user_id, payment_id=payment_id, started_at=since)
        history.commit(
            PAYMENTS.at(payment_id).facts(begun),
            WALLETS.at(bought.wallet_id).facts(bought),
            SUBSCRIPTIONS.at(f"sub_{number}").facts(subscribed),
        )
    history.commit(*_many_spends("spender", 500))
    apply(payments, [fact for fact in history.facts if fact.topic == "payments"])
    apply(credits, [fact for fact in history.facts if fact.topic == "credits"])
    apply(subscriptions, [fact for fact in history.facts if fact.topic == "subscriptions"])
    apply(audit, history.facts)
    connection.execute("ANALYZE")


def _many_spends(user_id: str, count: int) -> Iterator[Facts]:
    """A wallet that is spent from again and again, each time of one of many purchases."""
    stream = WALLETS.at(wallet_id(PROJECT, user_id, "api"))
    for number in range(count):
        bought = purchased(f"pay_s{number}", user_id=user_id, amount=1, balance=1)
        spent = CreditsConsumed(
            wallet_id=stream.id,
            user_id=user_id,
            credit_type="api",
            entry_id=f"ent_spend_{number}",
            amount=1,
            balance=0,
            held=0,
            reference=None,
            portions=(Portion(entry_id=bought.entry_id, amount=1, remaining=0),),
        )
        yield stream.facts(bought, spent)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """One connection only, which then can be asked to tell what it has done."""
    opening = postgres.pool(database_url, name="tests", size=1)
    await opening.open()
    yield opening
    await opening.close()


async def rows_read(query: Query, pool: Pool, connection: Connection[Any]) -> int:
    """How many rows Postgres looked at, in all tables."""
    looked_at = "SELECT sum(seq_tup_read + idx_tup_fetch)::int FROM pg_stat_user_tables WHERE schemaname ~ '_1$'"
    [(before,)] = connection.execute(looked_at).fetchall()
    await query(pool)
    async with pool.connection() as used:
        await used.execute("SELECT pg_stat_force_next_flush()")
    [(after,)] = connection.execute(looked_at).fetchall()
    return int(after - before)


async def test_no_query_reads_many_more_rows_than_it_shows(
    filled: None, connection: Connection[Any], pool: Pool
) -> None:
    read = {name: await rows_read(query, pool, connection) for name, query in QUERIES.items()}

    assert {name: rows for name, rows in read.items() if rows > FEW} == {}
    assert read["payments of a project"] >= 20, "the counting counts"


@pytest.mark.parametrize("at_once", [COPY_FROM_ROWS // 4, COPY_FROM_ROWS * 4])
def test_a_fold_that_began_with_empty_tables_finds_its_rows_by_key_in_full_ones(
    at_once: int, live: dict[str, Generation], connection: Connection[Any]
) -> None:
    """Postgres plans a fold's statements once, and hears how large its tables have become when they are analysed at last."""
    fold_all(connection, live.values(), lives_of_payments(600).facts, at_once)

    connection.execute("SELECT pg_stat_force_next_flush()")
    read = connection.execute(
        "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE schemaname ~ '^[a-z]+_1$' AND seq_tup_read > 0"
    )
    assert read.fetchall() == []
