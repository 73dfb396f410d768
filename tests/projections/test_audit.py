"""The audit trail: who did what, and what it changed."""

from domain.payment import PAYMENTS, PaymentAttemptFailed, PaymentExpired
from domain.project import PROJECTS
from domain.wallet import WALLETS
from projections import audit
from runtime.postgres import Pool
from schemas import rendering
from tests.projections.conftest import Apply, Rows
from tests.projections.test_projects import DEARER, EBOOK, ISSUED, REGISTERED, UPDATED
from tests.published import History
from tests.samples import PROJECT, initiated, opened, purchased, succeeded

PAYMENT = PAYMENTS.at("pay_1")
BOUGHT = purchased("pay_1", user_id="u1", amount=100, balance=100)


def paid() -> History:
    """A payment that is paid and buys credits, and another payment beside it."""
    history = History()
    history.commit(PAYMENT.facts(initiated("pay_1")))
    history.commit(PAYMENTS.at("pay_2").facts(initiated("pay_2")))
    history.commit(PAYMENT.facts(opened("pay_1")))
    history.commit(
        PAYMENT.facts(succeeded("pay_1", amount_minor=30_00)),
        WALLETS.at(BOUGHT.wallet_id).facts(BOUGHT),
        actor="gateway:stripe",
    )
    return history


async def test_a_payments_trail_has_its_facts_and_what_they_bought(apply: Apply, pool: Pool) -> None:
    apply(audit, paid().facts)

    trail = await audit.of_stream(pool, "audit_1", PROJECT, "pay_1")

    assert [entry.type for entry in trail] == [
        "payment.initiated",
        "payment.checkout_opened",
        "payment.succeeded",
        "credits.purchased",
    ]
    assert trail[2].actor == "gateway:stripe"
    assert trail[2].causation_id == trail[3].causation_id == "cause_4"


async def test_an_entry_says_what_was_before_and_what_is_now(apply: Apply, pool: Pool) -> None:
    apply(audit, paid().facts)

    first, second, third, _ = await audit.of_stream(pool, "audit_1", PROJECT, "pay_1")

    assert first.old_values == {}
    assert (first.new_values["status"], first.new_values["amount_minor"]) == ("initiated", 29_99)
    assert second.old_values == {"status": "initiated"}
    assert second.new_values["status"] == "checkout_opened"
    assert third.old_values == {"status": "checkout_opened", "amount_minor": 29_99}
    assert third.new_values == {
        "status": "succeeded",
        "amount_minor": 30_00,
        "amount_differs": True,
        "gateway_payment_id": "pi_1",
        "gateway_subscription_id": None,
    }


async def test_a_fact_that_comes_too_late_changes_no_status(apply: Apply, pool: Pool) -> None:
    history = History()
    history.commit(PAYMENT.facts(initiated("pay_1")))
    history.commit(PAYMENT.facts(succeeded("pay_1")))
    history.commit(PAYMENT.facts(PaymentExpired(payment_id="pay_1", reason="time")))
    history.commit(PAYMENT.facts(PaymentAttemptFailed(payment_id="pay_1", attempt_id="a1", code="card_declined")))
    apply(audit, history.facts)

    *_, expired, declined = await audit.of_stream(pool, "audit_1", PROJECT, "pay_1")

    assert (expired.old_values, expired.new_values) == ({}, {"reason": "time"})
    assert "status" not in declined.new_values


async def test_a_product_is_compared_with_itself_only(apply: Apply, pool: Pool) -> None:
    history = History()
    for event in (REGISTERED, EBOOK, ISSUED, UPDATED, DEARER):
        history.commit(PROJECTS.at(PROJECT).facts(event))
    apply(audit, history.facts)

    _, added, issued, updated, changed = await audit.page(pool, "audit_1", PROJECT, after_position=0, limit=10)

    assert added.old_values == {}
    assert issued.old_values == {}
    assert updated.old_values == {"name": "Shop", "default_currency": "usd", "features": [], "overridden": []}
    assert changed.old_values == {"amount_minor": 29_99, "price_id": "price_ebook", "permissions": ["read", "print"]}
    assert changed.new_values == {"amount_minor": 39_99, "price_id": "price_ebook_2", "permissions": ["read"]}


async def test_pages_show_every_fact_of_the_project_once_in_order(apply: Apply, pool: Pool) -> None:
    facts = paid().facts
    apply(audit, facts)

    first = await audit.page(pool, "audit_1", PROJECT, after_position=0, limit=3)
    second = await audit.page(pool, "audit_1", PROJECT, after_position=first[-1].position, limit=3)

    assert [entry.position for entry in (*first, *second)] == [fact.position for fact in facts]
    assert [entry.hash for entry in (*first, *second)] == [fact.hash for fact in facts]


async def test_another_project_sees_nothing(apply: Apply, pool: Pool) -> None:
    apply(audit, paid().facts)

    assert await audit.of_stream(pool, "audit_1", "prj_other", "pay_1") == []
    assert await audit.page(pool, "audit_1", "prj_other", after_position=0, limit=10) == []


def test_a_row_holds_the_fact_as_it_is_rendered_elsewhere(apply: Apply, rows: Rows) -> None:
    facts = paid().facts
    apply(audit, facts)
    apply(audit, facts)

    assert [row["data"] for row in rows("audit_1.facts")] == [rendering.to_json(fact)["data"] for fact in facts]
