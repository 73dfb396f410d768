"""The subscriptions read model: a row is what the last fact says, however the facts are cut into batches."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations, pairwise
from typing import Any

from psycopg import Connection

from domain.subscription import (
    SUBSCRIPTIONS,
    SubscriptionCanceled,
    SubscriptionEvent,
    SubscriptionExpired,
    SubscriptionPaymentFailed,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionUpdated,
)
from domain.subscription.state import standing_of
from projections import subscriptions
from runtime.postgres import Pool
from tests.projections.conftest import Apply, Rows
from tests.published import History
from tests.samples import PROJECT
from tests.subscribing import created, month, standing

FACTS: Sequence[SubscriptionEvent] = [
    created(),
    SubscriptionCanceled(**standing_of(standing(cancel_at=month(2), access_until=month(2)))),
    SubscriptionResumed(**standing_of(standing())),
    SubscriptionUpdated(**standing_of(standing(quantity=3, amount_minor=60_00)), changed=("quantity", "amount_minor")),
    SubscriptionPaymentFailed(
        **standing_of(standing(failed_attempts=1, next_attempt_at=month(2), access_until=month(3))),
        invoice_id="in_2",
        attempt=1,
        retry_at=month(2),
        due_minor=60_00,
        period_start=month(2),
    ),
    SubscriptionRenewed(
        **standing_of(standing(quantity=3, amount_minor=60_00, current_period_end=month(3))),
        invoice_id="in_2",
        payment_id="pay_of_in_2",
        billing_reason="subscription_cycle",
        paid_minor=60_00,
        period_start=month(2),
        period_end=month(3),
        credits=0,
        credit_type="",
    ),
    SubscriptionExpired(
        **standing_of(standing(status="expired", ended_at=month(3), end_reason="payment_failed", access_until=month(3)))
    ),
]


def history(facts: Sequence[SubscriptionEvent] = FACTS) -> History:
    found = History()
    for fact in facts:
        found.commit(SUBSCRIPTIONS.at("sub_1").facts(fact))
    return found


def test_it_does_not_matter_how_facts_are_cut_into_batches(
    apply: Apply, rows: Rows, connection: Connection[Any]
) -> None:
    facts = history().facts
    whole = subscriptions.row(facts[0])
    for fact in facts[1:]:
        whole |= subscriptions.row(fact)

    for cuts in combinations(range(1, len(facts)), 2):
        places = [0, *cuts, len(facts)]
        for begin, end in pairwise(places):
            apply(subscriptions, facts[begin:end])
        (row,) = rows("subscriptions_1.subscriptions")
        assert {name: row[name] for name in whole} == whole
        connection.execute("TRUNCATE subscriptions_1.subscriptions")


def test_what_is_taken_back_is_gone(apply: Apply, rows: Rows) -> None:
    facts = history(FACTS[:3]).facts
    apply(subscriptions, facts[:2])
    (row,) = rows("subscriptions_1.subscriptions")
    assert (row["cancel_at"], row["access_until"]) == (month(2), month(2))

    apply(subscriptions, facts[2:])

    (row,) = rows("subscriptions_1.subscriptions")
    assert (row["cancel_at"], row["access_until"]) == (None, None)


def test_the_payment_is_that_of_the_checkout_whatever_was_paid_later(apply: Apply, rows: Rows) -> None:
    facts = history().facts
    apply(subscriptions, facts[:1])
    apply(subscriptions, facts[1:])

    (row,) = rows("subscriptions_1.subscriptions")
    assert (row["payment_id"], row["project_id"], row["version"]) == ("pay_1", PROJECT, len(FACTS))


def test_applying_older_facts_again_changes_nothing(apply: Apply, rows: Rows) -> None:
    facts = history().facts
    apply(subscriptions, facts)
    before = rows("subscriptions_1.subscriptions")

    apply(subscriptions, facts[:2])

    assert rows("subscriptions_1.subscriptions") == before


async def test_a_customer_s_subscriptions_are_shown_newest_first(apply: Apply, pool: Pool) -> None:
    found = History()
    for number, user_id in ((1, "u1"), (2, "u1"), (3, "u2")):
        since = month(1) + timedelta(days=number)
        found.commit(
            SUBSCRIPTIONS.at(f"sub_{number}").facts(created(f"sub_{number}", user_id=user_id, started_at=since))
        )
    apply(subscriptions, found.facts)

    shown = await subscriptions.of_user(pool, "subscriptions_1", PROJECT, "u1")

    assert [row.subscription_id for row in shown] == ["sub_2", "sub_1"]
    assert await subscriptions.of_user(pool, "subscriptions_1", "prj_other", "u1") == []
    assert await subscriptions.versions(pool, "subscriptions_1", ["sub_1", "sub_9"]) == {"sub_1": 1}
