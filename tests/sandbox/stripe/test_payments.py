"""What follows from paying: states, events in their order, and what they carry."""

import pytest
import stripe

from tests.sandbox.stripe.lookalike import LookAlike

CARD = "4242424242424242"
CARD_3DS = "4000002760003184"
GOOD_IBAN = "AT611904300234573201"
BAD_IBAN = "IT60X0542811101000000123456"


async def eventually_booked(lookalike: LookAlike, intent: str) -> stripe.Charge:
    await lookalike.event_types_once(intent, 5)
    charges = await lookalike.client.v1.charges.list_async({"payment_intent": intent})
    return charges.data[0]


async def test_a_card_pays_and_the_events_come_in_stripes_order(lookalike: LookAlike) -> None:
    session = await lookalike.open(client_reference_id="pay_1", metadata={"payment": "pay_1"})
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)

    outcome = await lookalike.pay(session, card_number=CARD)

    assert (outcome["status"], outcome["payment_status"]) == ("complete", "paid")
    await eventually_booked(lookalike, outcome["payment_intent"])
    assert await lookalike.event_types(session.id) == ["checkout.session.completed"]
    assert await lookalike.event_types(outcome["payment_intent"]) == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
        "charge.updated",
    ]


async def test_the_completed_event_says_who_paid_what_for_which_order(lookalike: LookAlike) -> None:
    session = await lookalike.open(
        client_reference_id="pay_2",
        metadata={"payment": "pay_2"},
        payment_intent_data={"metadata": {"payment": "pay_2"}},
    )
    outcome = await lookalike.pay(session, card_number=CARD, email="reader@example.com")

    (completed,) = await lookalike.events(session.id)
    told = completed.data.object

    assert (told["payment_status"], told["amount_total"], told["currency"]) == ("paid", 2999, "usd")
    assert (told["client_reference_id"], told["metadata"]["payment"]) == ("pay_2", "pay_2")
    assert told["payment_intent"] == outcome["payment_intent"]
    assert told["customer_details"]["email"] == "reader@example.com"
    intent = await lookalike.client.v1.payment_intents.retrieve_async(outcome["payment_intent"])
    assert intent.metadata["payment"] == "pay_2"


async def test_events_of_the_payer_have_no_request_and_those_of_a_call_name_it(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    paid = await lookalike.open()
    await lookalike.pay(paid, card_number=CARD)

    expired = await lookalike.client.v1.checkout.sessions.expire_async(session.id, options={"idempotency_key": "end-1"})

    (by_call,) = await lookalike.events(session.id)
    assert by_call.request is not None
    assert by_call.request.idempotency_key == "end-1"
    assert by_call.request.id == expired.last_response.request_id  # type: ignore[union-attr]
    (by_payer,) = await lookalike.events(paid.id)
    assert by_payer.request is not None
    assert (by_payer.request.id, by_payer.request.idempotency_key) == (None, None)


async def test_an_event_is_a_snapshot_and_does_not_change_afterwards(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    outcome = await lookalike.pay(session, card_number=CARD)
    await eventually_booked(lookalike, outcome["payment_intent"])

    events = {event.type: event for event in await lookalike.events(outcome["payment_intent"])}

    assert events["payment_intent.created"].data.object["status"] == "requires_payment_method"
    assert events["charge.succeeded"].data.object["balance_transaction"] is None
    assert events["charge.updated"].data.object["balance_transaction"].startswith("txn_")
    previous = events["charge.updated"].data.previous_attributes
    assert previous is not None
    assert previous.to_dict() == {"balance_transaction": None}


async def test_a_charge_is_booked_as_fee_and_net(lookalike: LookAlike) -> None:
    outcome = await lookalike.pay(await lookalike.open(), card_number=CARD)
    charge = await eventually_booked(lookalike, outcome["payment_intent"])

    charge = await lookalike.client.v1.charges.retrieve_async(charge.id, {"expand": ["balance_transaction"]})

    booked = charge.balance_transaction
    assert isinstance(booked, stripe.BalanceTransaction)
    assert booked.amount == 2999 == booked.fee + booked.net


@pytest.mark.parametrize(
    ("number", "code", "decline_code"),
    [
        ("4000000000000002", "card_declined", "generic_decline"),
        ("4000000000009995", "card_declined", "insufficient_funds"),
        ("4000000000009987", "card_declined", "lost_card"),
        ("4000000000009979", "card_declined", "stolen_card"),
        ("4000000000000069", "expired_card", "expired_card"),
        ("4000000000000127", "incorrect_cvc", "incorrect_cvc"),
        ("4000000000000119", "processing_error", "processing_error"),
        ("4100000000000019", "card_declined", "fraudulent"),
        ("4000000000000341", "card_declined", "generic_decline"),
        ("4012888888881881", "card_declined", "test_mode_live_card"),
    ],
)
async def test_a_decline_says_why_and_leaves_the_session_open(
    lookalike: LookAlike, number: str, code: str, decline_code: str
) -> None:
    session = await lookalike.open()

    error = await lookalike.refused_payment(session, card_number=number)

    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", code, decline_code)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert error["payment_intent"]["last_payment_error"]["decline_code"] == decline_code
    assert (await lookalike.session(session.id)).status == "open"
    assert await lookalike.event_types(error["payment_intent"]["id"]) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]


async def test_after_a_decline_another_card_pays_the_same_intent(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    error = await lookalike.refused_payment(session, card_number="4000000000000002")

    outcome = await lookalike.pay(session, card_number=CARD)

    assert outcome["payment_intent"] == error["payment_intent"]["id"]
    assert outcome["payment_status"] == "paid"
    charges = await lookalike.client.v1.charges.list_async({"payment_intent": outcome["payment_intent"]})
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ({"card_number": "4242424242424241"}, "incorrect_number"),
        ({"card_number": "4242"}, "invalid_number"),
        ({"card_number": CARD, "exp_month": 13, "exp_year": 2034}, "invalid_expiry_month"),
        ({"card_number": CARD, "exp_month": 1, "exp_year": 2020}, "invalid_expiry_year"),
        ({"card_number": CARD, "cvc": "12"}, "invalid_cvc"),
        ({"iban": "AT611904300234573202"}, "invalid_number"),
        ({"iban": "DE89370400440532013000"}, "account_number_invalid"),
        ({"routing_number": "1", "account_number": "000123456789"}, "routing_number_invalid"),
    ],
)
async def test_what_is_mistyped_is_refused_before_any_charge(
    lookalike: LookAlike, typed: dict[str, str], code: str
) -> None:
    session = await lookalike.open()

    error = await lookalike.refused_payment(session, **typed)

    assert error["code"] == code
    assert (await lookalike.session(session.id)).payment_intent is None


async def test_3d_secure_waits_for_the_payer_and_then_pays(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    asked = await lookalike.pay(session, card_number=CARD_3DS)
    assert (asked["status"], asked["payment_intent_status"]) == ("requires_action", "requires_action")
    outcome = await lookalike.control(f"checkout/{session.id}/authenticate", outcome="approve")

    assert (outcome["status"], outcome["payment_status"]) == ("complete", "paid")
    assert (await lookalike.event_types(outcome["payment_intent"]))[:5] == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


async def test_a_failed_authentication_leaves_no_charge_and_an_open_session(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    asked = await lookalike.pay(session, card_number=CARD_3DS)

    answer = await lookalike.http.post(f"/sandbox/checkout/{session.id}/authenticate", json={"outcome": "fail"})

    assert answer.status_code == 402
    assert answer.json()["error"]["code"] == "payment_intent_authentication_failure"
    assert await lookalike.event_types(asked["payment_intent"]) == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
    ]
    assert (await lookalike.pay(session, card_number=CARD))["payment_status"] == "paid"


async def test_3d_secure_can_be_approved_and_the_charge_still_declined(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await lookalike.pay(session, card_number="4000008260003178")

    answer = await lookalike.http.post(f"/sandbox/checkout/{session.id}/authenticate", json={"outcome": "approve"})

    assert answer.json()["error"]["decline_code"] == "insufficient_funds"
    assert (await lookalike.session(session.id)).status == "open"


@pytest.mark.parametrize(
    "account", [{"iban": GOOD_IBAN}, {"routing_number": "110000000", "account_number": "000123456789"}]
)
async def test_a_bank_debit_completes_unpaid_and_is_paid_later(lookalike: LookAlike, account: dict[str, str]) -> None:
    session = await lookalike.open()
    outcome = await lookalike.pay(session, **account)
    assert (outcome["status"], outcome["payment_status"]) == ("complete", "unpaid")
    assert outcome["payment_intent_status"] == "processing"

    settled = await lookalike.control(f"checkout/{session.id}/settle", outcome="succeed")

    assert settled["payment_status"] == "paid"
    assert (await lookalike.event_types(outcome["payment_intent"]))[:7] == [
        "payment_intent.created",
        "payment_intent.processing",
        "charge.pending",
        "checkout.session.completed",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.async_payment_succeeded",
    ]
    completed, succeeded = await lookalike.events(session.id)
    assert completed.data.object["payment_status"] == "unpaid"
    assert succeeded.data.object["payment_status"] == "paid"


@pytest.mark.parametrize(
    ("outcome", "invoice", "status"), [("succeed", "paid", "active"), ("fail", "open", "past_due")]
)
async def test_a_bank_debit_begins_a_subscription_whose_invoice_is_open_until_it_is_settled(
    lookalike: LookAlike, outcome: str, invoice: str, status: str
) -> None:
    session = await lookalike.open("price_pro_monthly", mode="subscription")
    assert (await lookalike.pay(session, iban=GOOD_IBAN))["payment_status"] == "unpaid"
    begun = (await lookalike.session(session.id, "subscription", "invoice")).to_dict()
    assert (begun["subscription"]["status"], begun["invoice"]["status"]) == ("active", "open")

    await lookalike.control(f"checkout/{session.id}/settle", outcome=outcome)

    settled = (await lookalike.session(session.id, "subscription", "invoice")).to_dict()
    assert (settled["subscription"]["status"], settled["invoice"]["status"]) == (status, invoice)
    types = await lookalike.event_types(begun["invoice"]["id"])
    assert ("invoice.paid" in types, "invoice.payment_failed" in types) == (outcome == "succeed", outcome == "fail")


async def test_a_debit_settles_by_itself_as_its_account_says(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    outcome = await lookalike.pay(session, iban=BAD_IBAN, settle_after_seconds=0.05)

    types = await lookalike.event_types_once(outcome["payment_intent"], 7)

    assert types[4:] == ["charge.failed", "payment_intent.payment_failed", "checkout.session.async_payment_failed"]
    assert (await lookalike.session(session.id)).payment_status == "unpaid"


async def test_a_debit_settles_once(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await lookalike.pay(session, iban=GOOD_IBAN)
    await lookalike.control(f"checkout/{session.id}/settle", outcome="fail")

    again = await lookalike.http.post(f"/sandbox/checkout/{session.id}/settle", json={"outcome": "succeed"})

    assert (again.status_code, again.json()["error"]["code"]) == (400, "payment_intent_unexpected_state")


async def test_nothing_due_needs_no_payment_and_makes_no_intent(lookalike: LookAlike) -> None:
    session = await lookalike.open("price_free")

    outcome = await lookalike.pay(session)

    assert (outcome["status"], outcome["payment_status"]) == ("complete", "no_payment_required")
    assert outcome["payment_intent"] is None
    assert await lookalike.event_types(session.id) == ["checkout.session.completed"]


async def test_a_paid_session_can_be_neither_paid_nor_expired_again(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    await lookalike.pay(session, card_number=CARD)

    again = await lookalike.http.post(f"/sandbox/checkout/{session.id}/pay", json={"card_number": CARD})
    with pytest.raises(stripe.InvalidRequestError, match="has a status of `complete`"):
        await lookalike.client.v1.checkout.sessions.expire_async(session.id)

    assert again.status_code == 400
    assert len(await lookalike.events(session.id)) == 1


async def test_a_session_expires_at_its_time_and_takes_a_begun_payment_with_it(lookalike: LookAlike) -> None:
    session = await lookalike.open()
    error = await lookalike.refused_payment(session, card_number="4000000000000002")
    try:
        await lookalike.control("clock/advance", seconds=24 * 3600 + 1)
        await lookalike.event_types_once(session.id, 1)
    finally:
        await lookalike.control("clock", offset_seconds=0)

    assert (await lookalike.event_types(error["payment_intent"]["id"]))[-2:] == [
        "payment_intent.canceled",
        "checkout.session.expired",
    ]
    assert (await lookalike.session(session.id)).url is None


async def test_an_intent_without_a_checkout_can_be_canceled_once(lookalike: LookAlike) -> None:
    intents = lookalike.client.v1.payment_intents
    intent = await intents.create_async({"amount": 500, "currency": "usd"})

    canceled = await intents.cancel_async(intent.id, {"cancellation_reason": "duplicate"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "duplicate")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await intents.cancel_async(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"


async def test_the_intent_of_a_checkout_is_canceled_by_expiring_the_session_only(lookalike: LookAlike) -> None:
    error = await lookalike.refused_payment(await lookalike.open(), card_number="4000000000000002")

    with pytest.raises(stripe.InvalidRequestError, match="Expire the Checkout Session"):
        await lookalike.client.v1.payment_intents.cancel_async(error["payment_intent"]["id"])


async def test_a_subscription_starts_when_its_checkout_is_complete(lookalike: LookAlike) -> None:
    session = await lookalike.open("price_pro_monthly", mode="subscription", subscription_data={"metadata": {"a": "b"}})
    assert (session.subscription, session.invoice) == (None, None)

    outcome = await lookalike.pay(session, card_number=CARD)

    assert (outcome["status"], outcome["payment_status"]) == ("complete", "paid")
    done = await lookalike.session(session.id, "subscription.latest_invoice", "customer")
    assert isinstance(done.subscription, stripe.Subscription)
    assert (done.subscription.status, done.subscription.metadata["a"]) == ("active", "b")
    assert isinstance(done.subscription.latest_invoice, stripe.Invoice)
    assert (done.subscription.latest_invoice.amount_paid, done.subscription.latest_invoice.status) == (2000, "paid")
    assert (await lookalike.event_types(session.id)) == ["checkout.session.completed"]


async def test_a_trial_costs_nothing_today_but_keeps_a_card(lookalike: LookAlike) -> None:
    session = await lookalike.open("price_trial_monthly", mode="subscription")
    assert session.amount_total == 0

    outcome = await lookalike.pay(session, card_number=CARD)

    assert outcome["payment_status"] == "no_payment_required"
    done = await lookalike.session(session.id, "subscription")
    assert isinstance(done.subscription, stripe.Subscription)
    assert done.subscription.status == "trialing"
    (item,) = done.subscription["items"]["data"]
    assert done.subscription.trial_end == item.current_period_end


async def test_metered_use_has_no_quantity_and_nothing_due(lookalike: LookAlike) -> None:
    session = await lookalike.open(
        "price_calls_metered", mode="subscription", line_items=[{"price": "price_calls_metered"}]
    )
    assert session.amount_total == 0
    assert (await lookalike.pay(session, card_number=CARD))["status"] == "complete"
