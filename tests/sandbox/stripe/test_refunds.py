"""Money back from the look-alike: at once, later, not after all, and what Stripe would refuse."""

from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import API_KEY, LookAlike

PENDING_FIRST = "4000000000007726"
FAILS_LATER = "4000000000005126"


async def refund(lookalike: LookAlike, charge: stripe.Charge, **parameters: Any) -> stripe.Refund:
    wanted: Any = {"charge": charge.id, **parameters}
    return await lookalike.client.v1.refunds.create_async(wanted)


async def refused(lookalike: LookAlike, **form: str) -> tuple[int, str | None, str | None]:
    """Status, code and parameter that a call without the SDK is answered with."""
    answer = await lookalike.http.post("/v1/refunds", data=form, auth=(API_KEY, ""))
    error = answer.json()["error"]
    return answer.status_code, error.get("code"), error.get("param")


async def charge_now(lookalike: LookAlike, charge: stripe.Charge) -> stripe.Charge:
    return await lookalike.client.v1.charges.retrieve_async(charge.id, {"expand": ["refunds"]})


async def test_a_part_and_then_the_rest_go_back(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()

    part = await refund(lookalike, charge, amount=1000, reason="requested_by_customer", metadata={"refund_id": "rfd_1"})
    rest = await lookalike.client.v1.refunds.create_async({"payment_intent": str(charge.payment_intent)})

    assert (part.status, part.amount, part.reason) == ("succeeded", 1000, "requested_by_customer")
    assert part.metadata is not None
    assert part.metadata["refund_id"] == "rfd_1"
    assert (rest.amount, rest.charge, rest.payment_intent) == (1999, charge.id, charge.payment_intent)
    after = await charge_now(lookalike, charge)
    assert (after.amount_refunded, after.refunded) == (2999, True)
    assert after.refunds is not None
    assert [found.id for found in after.refunds.data] == [rest.id, part.id]
    told = [event for event in await lookalike.events(charge.id) if event.type == "charge.refunded"]
    assert [event.data.object["amount_refunded"] for event in told] == [1000, 2999]
    assert [event.data.object["refunded"] for event in told] == [False, True]


async def test_a_refund_is_told_of_in_stripes_order(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    made = await refund(lookalike, charge)

    types = await lookalike.event_types_once(made.id, 3)

    assert types == ["refund.created", "refund.updated", "charge.refund.updated"]
    assert "charge.refunded" in await lookalike.event_types(charge.id)
    (created, *_) = await lookalike.events(made.id)
    assert created.request is not None
    assert created.request.id is not None
    after = await lookalike.client.v1.refunds.retrieve_async(made.id)
    assert after.destination_details is not None
    assert after.destination_details.card is not None
    assert after.destination_details.card.reference_status == "available"


async def test_to_a_test_card_a_refund_is_pending_first(lookalike: LookAlike) -> None:
    charge = await lookalike.charge(PENDING_FIRST)
    made = await refund(lookalike, charge, amount=500)
    assert (made.status, made.pending_reason) == ("pending", "processing")
    assert (await charge_now(lookalike, charge)).amount_refunded == 500

    await lookalike.control(f"refunds/{made.id}/settle", outcome="succeed")

    after = await lookalike.client.v1.refunds.retrieve_async(made.id)
    assert (after.status, getattr(after, "pending_reason", None)) == ("succeeded", None)
    assert await lookalike.event_types(made.id) == ["refund.created", "refund.updated", "charge.refund.updated"]


async def test_to_another_test_card_a_refund_succeeds_and_then_fails(lookalike: LookAlike) -> None:
    charge = await lookalike.charge(FAILS_LATER)
    made = await refund(lookalike, charge)
    assert made.status == "succeeded"
    try:
        await lookalike.control("clock/advance", seconds=601)
        types = await lookalike.event_types_once(made.id, 4)
    finally:
        await lookalike.control("clock", offset_seconds=0)

    assert types == ["refund.created", "refund.failed", "refund.updated", "charge.refund.updated"]
    failed = await lookalike.client.v1.refunds.retrieve_async(made.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert isinstance(failed.failure_balance_transaction, stripe.BalanceTransaction)
    assert failed.failure_balance_transaction.amount == 2999
    after = await charge_now(lookalike, charge)
    assert (after.amount_refunded, after.refunded) == (0, False)
    again = await refund(lookalike, charge)
    assert again.amount == 2999


async def test_a_pending_refund_is_canceled_in_the_dashboard_and_its_money_is_free(lookalike: LookAlike) -> None:
    charge = await lookalike.charge(PENDING_FIRST)
    made = await refund(lookalike, charge)

    canceled = await lookalike.control(f"refunds/{made.id}/settle", outcome="cancel")

    assert canceled["status"] == "canceled"
    assert (await charge_now(lookalike, charge)).amount_refunded == 0
    again = await lookalike.http.post(f"/sandbox/refunds/{made.id}/settle", json={"outcome": "succeed"})
    assert again.status_code == 400


async def test_what_waits_for_its_customer_can_be_canceled_and_nothing_else(lookalike: LookAlike) -> None:
    made = await refund(lookalike, await lookalike.charge(PENDING_FIRST))
    with pytest.raises(stripe.InvalidRequestError, match="status of pending"):
        await lookalike.client.v1.refunds.cancel_async(made.id)
    await lookalike.control(f"refunds/{made.id}/settle", outcome="require_action")

    canceled = await lookalike.client.v1.refunds.cancel_async(made.id)

    assert canceled.status == "canceled"


async def test_each_refund_is_booked(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    made = await refund(lookalike, charge, amount=700)

    booked = (await lookalike.client.v1.balance_transactions.list_async({"source": made.id})).data

    assert [(entry.amount, entry.fee, entry.net, entry.type) for entry in booked] == [(-700, 0, -700, "refund")]
    assert booked[0].id == made.balance_transaction


async def test_refunds_are_listed_by_charge_and_by_intent(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    made = [await refund(lookalike, charge, amount=100) for _ in range(3)]

    by_charge = await lookalike.client.v1.refunds.list_async({"charge": charge.id, "limit": 2})
    by_intent = await lookalike.client.v1.refunds.list_async({"payment_intent": str(charge.payment_intent)})

    assert [found.id for found in by_charge.data] == [made[2].id, made[1].id]
    assert by_charge.has_more
    assert len(by_intent.data) == 3


async def test_metadata_can_be_changed_and_is_told_of(lookalike: LookAlike) -> None:
    made = await refund(lookalike, await lookalike.charge(), metadata={"a": "1"})
    await lookalike.event_types_once(made.id, 3)

    changed = await lookalike.client.v1.refunds.update_async(made.id, {"metadata": {"b": "2"}})

    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "1", "b": "2"}
    assert (await lookalike.event_types(made.id)).count("refund.updated") == 2


async def test_what_is_gone_cannot_be_refunded_again(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    await refund(lookalike, charge)

    assert await refused(lookalike, charge=charge.id) == (400, "charge_already_refunded", None)
    assert await refused(lookalike, charge=charge.id, amount="1") == (400, "charge_already_refunded", None)


async def test_no_more_than_the_rest_can_be_refunded(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    await refund(lookalike, charge, amount=1000)

    with pytest.raises(stripe.InvalidRequestError, match=r"\$20.00.*greater than unrefunded amount.*\$19.99") as caught:
        await refund(lookalike, charge, amount=2000)
    assert caught.value.param == "amount"


async def test_what_was_not_paid_cannot_be_refunded(lookalike: LookAlike) -> None:
    error = await lookalike.refused_payment(await lookalike.open(), card_number="4000000000000002")

    assert await refused(lookalike, charge=error["charge"]) == (400, None, None)
    assert await refused(lookalike, payment_intent=error["payment_intent"]["id"]) == (
        400,
        "payment_intent_unexpected_state",
        None,
    )


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({}, "parameter_missing", None),
        ({"charge": "ch_none"}, "resource_missing", "charge"),
        ({"payment_intent": "pi_none"}, "resource_missing", "payment_intent"),
        ({"payment_intent": "ch_none"}, "resource_missing", "payment_intent"),
        ({"charge": "ch_none", "amount": "0"}, "parameter_invalid_integer", "amount"),
        ({"charge": "ch_none", "amount": "-1"}, "parameter_invalid_integer", "amount"),
        ({"charge": "ch_none", "amount": "1.5"}, "parameter_invalid_integer", "amount"),
        ({"charge": "ch_none", "reason": "regret"}, None, "reason"),
        ({"charge": "ch_none", "colour": "red"}, "parameter_unknown", "colour"),
        ({"charge": "ch_none", "metadata[key]": "v" * 501}, None, "metadata[key]"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_refund_that_stripe_would_not_make_is_refused(
    lookalike: LookAlike, form: dict[str, str], code: str | None, param: str | None
) -> None:
    before = (await lookalike.http.get("/sandbox/counts")).json()["refunds"]

    assert await refused(lookalike, **form) == (400, code, param)
    assert (await lookalike.http.get("/sandbox/counts")).json()["refunds"] == before


async def test_a_charge_and_an_intent_that_is_not_its_own_are_refused(lookalike: LookAlike) -> None:
    one, other = await lookalike.charge(), await lookalike.charge()

    answer = await refused(lookalike, charge=one.id, payment_intent=str(other.payment_intent))

    assert answer == (400, None, "payment_intent")


async def test_a_refund_under_one_key_is_made_once(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    options: Any = {"idempotency_key": f"refund-{charge.id}"}

    made = [
        await lookalike.client.v1.refunds.create_async({"charge": charge.id, "amount": 500}, options) for _ in range(3)
    ]

    assert len({found.id for found in made}) == 1
    assert (await charge_now(lookalike, charge)).amount_refunded == 500


async def test_a_debit_that_was_paid_is_refunded_later(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    outcome = await lookalike.pay(session, iban="AT611904300234573201")
    assert await refused(lookalike, payment_intent=outcome["payment_intent"]) == (
        400,
        "payment_intent_unexpected_state",
        None,
    )
    await lookalike.control(f"checkout/{session.id}/settle", outcome="succeed")

    made = await lookalike.client.v1.refunds.create_async({"payment_intent": outcome["payment_intent"]})

    assert made.status == "pending"
    await lookalike.control(f"refunds/{made.id}/settle", outcome="succeed")
    assert (await lookalike.client.v1.refunds.retrieve_async(made.id)).status == "succeeded"
