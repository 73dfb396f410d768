"""Disputes in the payments read model: each as its last fact has it, however facts are cut into batches."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from domain.payment import PAYMENTS, PaymentEvent
from projections import payments
from projections.disputes import of_payment
from runtime.postgres import Pool
from schemas.envelope import Recorded
from tests.projections.conftest import Apply, Rows
from tests.published import History
from tests.samples import BEGINNING, dispute_events, initiated, opened, succeeded

PAID = (initiated(), opened(), succeeded())


def recorded(*events: PaymentEvent) -> Sequence[Recorded]:
    written = History()
    for event in events:
        written.commit(PAYMENTS.at(event.payment_id).facts(event))
    return written.facts


@pytest.mark.parametrize("at_once", [1, 2, 3, 9])
async def test_a_dispute_is_shown_as_it_stands_with_what_only_its_first_fact_said(
    apply: Apply, pool: Pool, at_once: int
) -> None:
    facts = recorded(*PAID, *dispute_events())
    for start in range(0, len(facts), at_once):
        apply(payments, facts[start : start + at_once])

    (dispute,) = await of_payment(pool, "payments_1", "pay_1")

    assert (dispute.status, dispute.reason, dispute.opened_at) == ("lost", "fraudulent", BEGINNING)
    assert (dispute.evidence_due_by, dispute.credits_revoked, dispute.credits_shortfall) == (None, 900, 100)
    shown = (await payments.by_ids(pool, "payments_1", ["pay_1"]))["pay_1"]
    assert (shown.dispute_status, shown.lost_minor) == ("lost", 29_99)


async def test_an_open_dispute_has_a_deadline(apply: Apply, pool: Pool) -> None:
    apply(payments, recorded(*PAID, *dispute_events()[:2]))

    (dispute,) = await of_payment(pool, "payments_1", "pay_1")

    assert (dispute.status, dispute.evidence_due_by) == ("under_review", BEGINNING + timedelta(days=7))


def test_applying_facts_again_changes_nothing(apply: Apply, rows: Rows) -> None:
    facts = recorded(*PAID, *dispute_events(), *dispute_events(dispute_id="du_2")[:1])
    apply(payments, facts)
    before = rows("payments_1.disputes"), rows("payments_1.payments")

    apply(payments, facts)
    apply(payments, facts[3:5])

    assert (rows("payments_1.disputes"), rows("payments_1.payments")) == before
