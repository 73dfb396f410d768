"""Refunds in the payments read model: rows say what the domain says, however facts are cut into batches."""

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.payment import PAYMENTS, Payment, PaymentEvent, Refund, RefundStatus, refunds
from domain.payment.claims import CreditsReclaimed
from domain.payment.refunds import RefundTold
from projections import payments
from projections.refunds import RefundRow, Said, merge, of_payment, row
from runtime.postgres import Pool
from schemas.envelope import Recorded
from tests.projections.conftest import Apply, Rows
from tests.published import History
from tests.samples import initiated, opened, refund_events, succeeded

PAID = (initiated(), opened(), succeeded())
SHOWN = ("status", "amount_minor", "currency", "gateway_refund_id", "reason", "failure_code", "clawback")
CREDITS = ("credits_revoked", "credits_shortfall")

# What may be told of refunds one to three, of 5.00 each: asked for by us, or the gateway's word of how it stands.
WORDS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(RefundStatus)), max_size=12)


def life(words: Sequence[tuple[int, RefundStatus]], payment_id: str = "pay_1") -> Sequence[PaymentEvent]:
    """The facts that these words come to, one after another."""
    facts: list[PaymentEvent] = [initiated(payment_id), opened(payment_id), succeeded(payment_id)]
    for number, status in words:
        payment = PAYMENTS.fold(facts)
        assert payment is not None
        facts += _facts(payment, f"rfd_{number}", status)
    return facts


def _facts(payment: Payment, refund_id: str, status: RefundStatus) -> Sequence[PaymentEvent]:
    told = RefundTold(
        refund_id=refund_id, gateway_refund_id=f"re_{refund_id}", amount_minor=5_00, currency="usd", reason="duplicate"
    )
    match status:
        case RefundStatus.REQUESTED:
            return refunds.request_refund(
                payment, refund_id=refund_id, amount_minor=5_00, reason="sent twice", metadata={}
            )
        case RefundStatus.PENDING:
            return refunds.take_on(payment, told)
        case RefundStatus.SUCCEEDED:
            return refunds.succeed(payment, told, CreditsReclaimed(revoked=7, shortfall=3, clawback="allow_debt"))
        case RefundStatus.FAILED:
            return refunds.fail(payment, told, "declined", 7)
        case RefundStatus.CANCELED:
            return refunds.cancel(payment, told)


def recorded(events: Sequence[PaymentEvent]) -> Sequence[Recorded]:
    written = History()
    for event in events:
        written.commit(PAYMENTS.at(event.payment_id).facts(event))
    return written.facts


def fold(facts: Sequence[Recorded]) -> dict[str, Said]:
    rows: dict[str, Said] = {}
    for fact in facts:
        if fact.type.startswith("payment.refund"):
            said = row(fact, fact.event)  # type: ignore[arg-type]
            rows[said["refund_id"]] = merge(rows[said["refund_id"]], said) if said["refund_id"] in rows else said
    return rows


def shown(refund: Refund | Said) -> dict[str, Any]:
    values = refund if isinstance(refund, dict) else {name: getattr(refund, name) for name in (*SHOWN, *CREDITS)}
    return {name: str(values[name]) for name in (*SHOWN, *CREDITS)}


@given(WORDS)
def test_a_row_says_what_the_domain_says_whatever_was_told(words: list[tuple[int, RefundStatus]]) -> None:
    events = life(words)
    payment = PAYMENTS.fold(events)
    assert payment is not None

    rows = fold(recorded(events))

    assert {key: shown(said) for key, said in rows.items()} == {
        key: shown(refund) for key, refund in payment.refunds.items()
    }


@given(WORDS)
def test_a_payment_s_row_has_the_sums_that_the_domain_has(words: list[tuple[int, RefundStatus]]) -> None:
    events = life(words)
    payment = PAYMENTS.fold(events)
    assert payment is not None

    said: payments.Said = {}
    for fact in recorded(events):
        said = payments.merge(said, payments.row(fact)) if said else payments.row(fact)

    assert (said["refunded_minor"], said["reserved_minor"]) == (payment.refunded_minor, payment.reserved_minor)


def test_postgres_merges_batches_as_memory_does(apply: Apply, rows: Rows) -> None:
    chance = random.Random(11)
    events: list[PaymentEvent] = []
    for number in range(60):
        words = [(chance.randrange(1, 4), chance.choice(list(RefundStatus))) for _ in range(chance.randrange(9))]
        events += life(words, f"pay_{number:02}")
    facts = recorded(events)

    for start in range(0, len(facts), 3):
        apply(payments, facts[start : start + 3])

    found = {(refund["payment_id"], refund["refund_id"]): refund for refund in rows("payments_1.refunds")}
    expected = {}
    for payment_id in {event.payment_id for event in events}:
        for refund_id, said in fold([fact for fact in facts if fact.stream == payment_id]).items():
            expected[payment_id, refund_id] = said
    assert found == expected


def test_applying_facts_again_changes_nothing(apply: Apply, rows: Rows) -> None:
    facts = recorded([*PAID, *refund_events()])
    apply(payments, facts)
    before = rows("payments_1.refunds"), rows("payments_1.payments")

    apply(payments, facts)
    apply(payments, facts[3:5])

    assert (rows("payments_1.refunds"), rows("payments_1.payments")) == before


async def test_a_payment_s_refunds_are_listed_in_their_order(apply: Apply, pool: Pool) -> None:
    apply(payments, recorded([*PAID, *refund_events(refund_id="rfd_2")[:2], *refund_events(refund_id="rfd_1")[:3]]))

    found = await of_payment(pool, "payments_1", "pay_1")

    assert [(refund.refund_id, refund.status) for refund in found] == [("rfd_2", "pending"), ("rfd_1", "succeeded")]
    assert isinstance(found[1], RefundRow)
    assert (found[1].credits_revoked, found[1].clawback) == (150, "remaining_only")
    assert await of_payment(pool, "payments_1", "pay_2") == []
