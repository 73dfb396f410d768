"""The payments read model: its fold agrees with the domain, and its queries with its rows."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.payment import PAYMENTS, Payment, PaymentEvent
from projections import payments
from projections.generations import LiveGenerations
from projections.payments import After, Filter, Said, merge, row
from runtime.postgres import Pool
from schemas.envelope import Recorded
from tests.projections.conftest import Apply, Rows
from tests.published import History
from tests.samples import BEGINNING, PROJECT, initiated, later_events, opened, succeeded

ANY_LIFE = st.lists(st.sampled_from(later_events("pay_1")), max_size=8)


def fold(facts: Sequence[Recorded]) -> Said:
    said = row(facts[0])
    for fact in facts[1:]:
        said = merge(said, row(fact))
    return said


def history(*events: PaymentEvent) -> Sequence[Recorded]:
    written = History()
    for event in events:
        written.commit(PAYMENTS.at(event.payment_id).facts(event))
    return written.facts


def state_in(said: Said) -> dict[str, Any]:
    return {
        "status": said["status"],
        "amount_minor": said["amount_minor"],
        "currency": said["currency"],
        "checkout_id": said.get("checkout_id"),
        "expires_at": said.get("expires_at"),
    }


def state_of(payment: Payment | None) -> dict[str, Any]:
    assert payment is not None
    return {
        "status": payment.status.value,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "checkout_id": payment.checkout_id,
        "expires_at": payment.expires_at,
    }


@given(ANY_LIFE)
def test_a_row_says_what_the_domain_says_whatever_happened(events: list[PaymentEvent]) -> None:
    life = [initiated("pay_1"), *events]

    assert state_in(fold(history(*life))) == state_of(PAYMENTS.fold(life))


@given(ANY_LIFE, st.integers(min_value=1))
def test_it_does_not_matter_where_a_life_is_cut_into_batches(events: list[PaymentEvent], where: int) -> None:
    facts = history(initiated("pay_1"), *events)
    cut = where % len(facts) or len(facts)

    earlier, later = facts[:cut], facts[cut:]

    assert fold(facts) == (merge(fold(earlier), fold(later)) if later else fold(earlier))


def test_postgres_merges_batches_as_memory_does(apply: Apply, rows: Rows) -> None:
    chance = random.Random(7)
    lives = {
        f"pay_{number}": [
            initiated(f"pay_{number}"),
            *chance.choices(later_events(f"pay_{number}"), k=chance.randrange(7)),
        ]
        for number in range(200)
    }
    facts = history(*(event for life in lives.values() for event in life))

    for start in range(0, len(facts), 3):
        apply(payments, facts[start : start + 3])

    found = {payment["payment_id"]: payment for payment in rows("payments_1.payments")}
    expected = {key: fold([fact for fact in facts if fact.stream == key]) for key in lives}
    assert {key: state_in(said) for key, said in found.items()} == {
        key: state_of(PAYMENTS.fold(life)) for key, life in lives.items()
    }
    for key, said in expected.items():
        said["metadata"] = {"order": key}
        assert {column: value for column, value in found[key].items() if value is not None} == said


def test_applying_facts_again_changes_nothing(apply: Apply, rows: Rows) -> None:
    facts = history(initiated("pay_1"), *later_events("pay_1"))
    apply(payments, facts)
    before = rows("payments_1.payments")

    apply(payments, facts)
    apply(payments, facts[3:5])

    assert rows("payments_1.payments") == before


async def test_a_payment_is_shown_with_what_the_gateway_took(apply: Apply, pool: Pool) -> None:
    apply(payments, history(initiated("pay_1"), opened("pay_1"), succeeded("pay_1", amount_minor=30_00)))

    found = (await payments.by_ids(pool, "payments_1", ["pay_1", "pay_2"]))["pay_1"]

    assert (found.status, found.amount_minor, found.amount_differs) == ("succeeded", 30_00, True)
    assert (found.created_at, found.metadata, found.version) == (BEGINNING, {"order": "pay_1"}, 3)


async def test_payments_asked_for_together_come_together(apply: Apply, pool: Pool) -> None:
    apply(payments, history(*(initiated(f"pay_{number}") for number in range(50))))
    lookup = payments.by_id(pool, LiveGenerations(pool))

    found = await asyncio.gather(*(lookup.get(f"pay_{number}") for number in (0, 49, 50)))

    assert [payment and payment.payment_id for payment in found] == ["pay_0", "pay_49", None]


async def test_pages_show_every_payment_once_newest_first(apply: Apply, pool: Pool) -> None:
    begun = {f"pay_{number}": BEGINNING + timedelta(seconds=number // 2) for number in range(25)}
    apply(payments, history(*(initiated(key, initiated_at=moment) for key, moment in begun.items())))

    pages, after = [], None
    while found := await payments.page(pool, "payments_1", PROJECT, wanted=Filter(), after=after, limit=10):
        pages.append([payment.payment_id for payment in found])
        after = After(found[-1].created_at, found[-1].payment_id)

    assert [len(page) for page in pages] == [10, 10, 5]
    assert [key for page in pages for key in page] == sorted(begun, key=lambda key: (begun[key], key), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), {"pay_1", "pay_2", "pay_3"}),
        (Filter(user_id="u2"), {"pay_2"}),
        (Filter(status="succeeded"), {"pay_1"}),
        (Filter(product_id="course"), {"pay_3"}),
        (Filter(created_after=BEGINNING + timedelta(seconds=1)), {"pay_2", "pay_3"}),
        (Filter(created_before=BEGINNING + timedelta(seconds=1)), {"pay_1"}),
        (Filter(user_id="u1", product_id="course", status="initiated"), {"pay_3"}),
        (Filter(user_id="nobody"), set()),
    ],
)
async def test_a_list_can_be_narrowed(apply: Apply, pool: Pool, wanted: Filter, found: set[str]) -> None:
    second = timedelta(seconds=1)
    apply(
        payments,
        history(
            initiated("pay_1"),
            succeeded("pay_1"),
            initiated("pay_2", user_id="u2", initiated_at=BEGINNING + second),
            initiated("pay_3", product_id="course", initiated_at=BEGINNING + 2 * second),
        ),
    )

    page = await payments.page(pool, "payments_1", PROJECT, wanted=wanted, after=None, limit=10)

    assert {payment.payment_id for payment in page} == found


async def test_a_project_sees_its_own_payments_only(apply: Apply, pool: Pool) -> None:
    apply(payments, history(initiated("pay_1")))

    assert not await payments.page(pool, "payments_1", "prj_other", wanted=Filter(), after=None, limit=10)
