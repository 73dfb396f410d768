"""Disputes at the look-alike: opened by cards and by tests, answered with evidence, won, lost and closed."""

from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import LookAlike

FRAUDULENT = "4000000000000259"
NOT_RECEIVED = "4000000000002685"
INQUIRY = "4000000000001976"
SEVERAL = "4000000404000079"

OPENED = ["charge.dispute.created", "charge.dispute.funds_withdrawn"]


async def disputed(lookalike: LookAlike, card_number: str = FRAUDULENT, count: int = 1) -> list[stripe.Dispute]:
    """The disputes that follow a charge to this card, newest first, once there are that many and their events."""
    charge = await lookalike.charge(card_number)
    opened = 1 if card_number == INQUIRY else 2
    while True:
        types = [type for type in await lookalike.event_types(charge.id) if type.startswith("charge.dispute")]
        if len(types) == opened * count:
            return (await lookalike.client.v1.disputes.list_async({"charge": charge.id})).data


async def answer(lookalike: LookAlike, dispute: stripe.Dispute, text: str, **parameters: Any) -> stripe.Dispute:
    evidence: Any = {"evidence": {"uncategorized_text": text}, **parameters}
    return await lookalike.client.v1.disputes.update_async(dispute.id, evidence)


@pytest.mark.parametrize(
    ("card_number", "reason"), [(FRAUDULENT, "fraudulent"), (NOT_RECEIVED, "product_not_received")]
)
async def test_a_test_card_s_holder_disputes_the_charge(lookalike: LookAlike, card_number: str, reason: str) -> None:
    (dispute,) = await disputed(lookalike, card_number)

    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", reason, 2999)
    assert not dispute.is_charge_refundable
    assert dispute.evidence_details.due_by is not None
    assert await lookalike.event_types(dispute.id) == OPENED
    (withdrawn,) = dispute.balance_transactions
    assert (withdrawn.amount, withdrawn.fee, withdrawn.net, withdrawn.type) == (-2999, 1500, -4499, "adjustment")
    charge = await lookalike.client.v1.charges.retrieve_async(str(dispute.charge))
    assert charge.disputed


async def test_a_dispute_is_dated_before_its_charge_as_in_stripes_test_mode(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike)

    assert dispute.created < (await lookalike.client.v1.charges.retrieve_async(str(dispute.charge))).created


async def test_several_disputes_share_one_charge(lookalike: LookAlike) -> None:
    disputes = await disputed(lookalike, SEVERAL, count=2)

    assert sorted(dispute.amount for dispute in disputes) == [1499, 1500]


async def test_winning_evidence_wins_and_brings_the_money_back(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike)

    won = await answer(lookalike, dispute, "winning_evidence")

    assert (won.status, won.evidence_details.submission_count) == ("won", 1)
    assert [entry.amount for entry in won.balance_transactions] == [-2999, 2999]
    assert (await lookalike.event_types(dispute.id))[2:] == [
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    updated = (await lookalike.events(dispute.id))[2]
    assert updated.data.object["status"] == "under_review"
    assert updated.data.previous_attributes is not None
    assert updated.data.previous_attributes["status"] == "needs_response"


async def test_losing_evidence_loses(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike)

    lost = await answer(lookalike, dispute, "losing_evidence")

    assert (lost.status, len(lost.balance_transactions)) == ("lost", 1)
    assert (await lookalike.event_types(dispute.id))[2:] == ["charge.dispute.updated", "charge.dispute.closed"]


async def test_other_evidence_is_under_review_until_the_bank_decides(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike)

    reviewed = await answer(lookalike, dispute, "we delivered it, see the signature")
    decided = await lookalike.control(f"disputes/{dispute.id}/settle", outcome="win")

    assert (reviewed.status, decided["status"]) == ("under_review", "won")


async def test_evidence_that_is_not_submitted_changes_no_status(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike)

    kept = await answer(lookalike, dispute, "winning_evidence", submit=False)

    assert (kept.status, kept.evidence_details.has_evidence, kept.evidence_details.submission_count) == (
        "needs_response",
        True,
        0,
    )


async def test_giving_in_loses_it(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike)

    assert (await lookalike.client.v1.disputes.close_async(dispute.id)).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        await lookalike.client.v1.disputes.close_async(dispute.id)
    with pytest.raises(stripe.InvalidRequestError, match="no longer"):
        await answer(lookalike, dispute, "winning_evidence")


async def test_an_inquiry_takes_no_money_and_closes_as_a_warning(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike, INQUIRY)
    assert (dispute.status, dispute.balance_transactions) == ("warning_needs_response", [])
    assert dispute.is_charge_refundable

    closed = await answer(lookalike, dispute, "winning_evidence")

    assert closed.status == "warning_closed"
    assert (await lookalike.event_types(dispute.id))[1:] == ["charge.dispute.updated", "charge.dispute.closed"]


async def test_an_inquiry_may_become_a_dispute(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike, INQUIRY)

    escalated = await answer(lookalike, dispute, "escalate_inquiry_evidence")

    assert (escalated.status, escalated.is_charge_refundable) == ("needs_response", False)
    assert (await lookalike.event_types(dispute.id))[1:] == [
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
    ]
    assert (await answer(lookalike, escalated, "losing_evidence")).status == "lost"


async def test_refunding_all_of_an_inquired_charge_ends_the_inquiry(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike, INQUIRY)

    await lookalike.client.v1.refunds.create_async({"charge": str(dispute.charge)})

    assert (await lookalike.client.v1.disputes.retrieve_async(dispute.id)).status == "warning_closed"


async def test_a_disputed_charge_cannot_be_refunded_until_the_dispute_is_won(lookalike: LookAlike) -> None:
    (dispute,) = await disputed(lookalike)
    with pytest.raises(stripe.InvalidRequestError, match="charged back") as refused:
        await lookalike.client.v1.refunds.create_async({"charge": str(dispute.charge)})
    assert refused.value.code == "charge_disputed"

    await answer(lookalike, dispute, "winning_evidence")

    assert (await lookalike.client.v1.refunds.create_async({"charge": str(dispute.charge)})).status == "succeeded"


async def test_a_test_disputes_a_part_of_what_was_refunded_in_part(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    await lookalike.client.v1.refunds.create_async({"charge": charge.id, "amount": 2500})

    dispute = await lookalike.control(f"charges/{charge.id}/dispute", amount=1000, reason="credit_not_processed")

    assert (dispute["amount"], dispute["reason"]) == (1000, "credit_not_processed")
    assert dispute["balance_transactions"][0]["amount"] == -499, "no more than is left"


@pytest.mark.parametrize("parameters", [{"evidence": {"colour": "red"}}, {"colour": "red"}])
async def test_evidence_that_stripe_does_not_know_is_refused(lookalike: LookAlike, parameters: Any) -> None:
    (dispute,) = await disputed(lookalike)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        await lookalike.client.v1.disputes.update_async(dispute.id, parameters)
    assert refused.value.code == "parameter_unknown"


async def test_an_unknown_dispute_is_not_found(lookalike: LookAlike) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await lookalike.client.v1.disputes.retrieve_async("du_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
