"""Subscriptions as time passes: renewed, failed and recovered, given up, ended, each with the events that Stripe sends."""

from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import LookAlike

DAY = 86400
HOUR = 3600
ALWAYS_3DS = "4000002760003184"


async def about(lookalike: LookAlike, subscription: stripe.Subscription) -> list[stripe.Event]:
    """The events of the last thirty days that name a subscription's customer, oldest first; without bookings."""
    return [event for event in await lookalike.events(str(subscription.customer)) if event.type != "charge.updated"]


async def newest(lookalike: LookAlike) -> str:
    """The id of the newest event, once nothing waits to be booked."""
    await lookalike.advance(2)
    return (await lookalike.client.v1.events.list_async({"limit": 1})).data[0].id


async def since(lookalike: LookAlike, subscription: stripe.Subscription, seen: str) -> list[str]:
    """The types of later events that name its customer, without those of bookkeeping."""
    later = await lookalike.client.v1.events.list_async({"ending_before": seen, "limit": 100})
    others = {"charge.updated", "customer.updated"}
    return [
        event.type
        for event in reversed(later.data)
        if event.type not in others
        and (event.type == "invoice_payment.paid" or str(subscription.customer) in str(event))
    ]


def item_of(subscription: stripe.Subscription) -> Any:
    (item,) = subscription["items"]["data"]
    return item


async def invoices_of(lookalike: LookAlike, subscription: stripe.Subscription, *expand: str) -> list[stripe.Invoice]:
    """Oldest first."""
    found = await lookalike.client.v1.invoices.list_async({"subscription": subscription.id, "expand": list(expand)})
    return found.data[::-1]


async def test_the_first_invoice_is_paid_by_the_checkout(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe(subscription_data={"metadata": {"payment_id": "pay_1"}})

    (invoice,) = await invoices_of(own_lookalike, subscription, "data.payments")

    assert (invoice.status, invoice.billing_reason, invoice.amount_paid) == ("paid", "subscription_create", 2000)
    assert invoice.number is not None
    assert invoice.number.endswith("-0001")
    assert invoice.parent is not None
    assert invoice.parent.subscription_details is not None
    assert invoice.parent.subscription_details.metadata is not None
    assert invoice.parent.subscription_details.metadata["payment_id"] == "pay_1"
    assert invoice.payments is not None
    (payment,) = invoice.payments.data
    intent = await own_lookalike.client.v1.payment_intents.retrieve_async(str(payment.payment.payment_intent))
    assert (intent.status, intent.amount, intent.customer) == ("succeeded", 2000, subscription.customer)


async def test_the_events_of_a_checkout_come_in_stripes_order(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()

    types = [event.type for event in await own_lookalike.events("")]

    assert [type for type in types if type != "charge.updated"] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "customer.created",
        "payment_method.attached",
        "invoice.created",
        "customer.subscription.created",
        "invoice.updated",
        "invoice.finalized",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
        "checkout.session.completed",
    ]
    assert subscription.status == "active"


async def test_a_renewal_is_drafted_at_the_period_end_and_paid_an_hour_later(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    seen, end = await newest(own_lookalike), item_of(subscription).current_period_end

    await own_lookalike.control("clock/advance", to=end)
    renewed = await own_lookalike.subscription(subscription.id, "latest_invoice")

    assert await since(own_lookalike, subscription, seen) == [
        "invoice.upcoming",
        "invoice.created",
        "customer.subscription.updated",
    ]
    invoice = renewed.latest_invoice
    assert isinstance(invoice, stripe.Invoice)
    assert (invoice.status, invoice.billing_reason) == ("draft", "subscription_cycle")
    assert invoice.automatically_finalizes_at == end + HOUR
    assert (invoice.period_start, invoice.period_end) == (item_of(subscription).current_period_start, end)
    assert (item_of(renewed).current_period_start, renewed.status) == (end, "active")

    seen = await newest(own_lookalike)
    await own_lookalike.advance(HOUR)

    assert await since(own_lookalike, subscription, seen) == [
        "invoice.updated",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    paid = (await invoices_of(own_lookalike, subscription))[-1]
    assert (paid.id, paid.status, paid.amount_paid, paid.attempt_count) == (invoice.id, "paid", 2000, 1)


async def test_a_renewals_event_says_what_was_before(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await own_lookalike.advance(days=32)

    (updated,) = [
        event for event in await about(own_lookalike, subscription) if event.type == "customer.subscription.updated"
    ]

    assert updated.data.previous_attributes is not None
    previous = updated.data.previous_attributes.to_dict()
    assert previous.keys() == {"items", "latest_invoice"}
    assert previous["items"]["data"][0]["current_period_end"] == item_of(subscription).current_period_end
    assert updated.created == item_of(subscription).current_period_end


async def test_what_is_about_to_be_billed_is_announced_without_an_id(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()

    await own_lookalike.advance(days=28)

    (upcoming,) = [event for event in await about(own_lookalike, subscription) if event.type == "invoice.upcoming"]
    told = upcoming.data.object
    assert "id" not in told
    assert (told["amount_due"], told["next_payment_attempt"]) == (2000, item_of(subscription).current_period_end)
    assert upcoming.created == item_of(subscription).current_period_end - 7 * DAY


async def test_a_year_of_months_ends_on_the_day_it_began(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    begun = item_of(subscription).current_period_start

    await own_lookalike.advance(days=367)

    invoices = (await own_lookalike.client.v1.invoices.list_async({"subscription": subscription.id, "limit": 100})).data
    assert [invoice.status for invoice in invoices] == ["paid"] * 13
    assert sum(invoice.amount_paid for invoice in invoices) == 13 * 2000
    now = item_of(await own_lookalike.subscription(subscription.id))
    assert now.current_period_start - begun in (365 * DAY, 366 * DAY)


async def test_a_failed_renewal_is_tried_again_and_recovers_with_another_card(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")
    await own_lookalike.control("clock/advance", to=item_of(subscription).current_period_end)
    seen = await newest(own_lookalike)

    await own_lookalike.advance(HOUR)

    assert await since(own_lookalike, subscription, seen) == [
        "invoice.updated",
        "invoice.finalized",
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.updated",
        "invoice.payment_failed",
        "customer.subscription.updated",
    ]
    failed = (await invoices_of(own_lookalike, subscription))[-1]
    finalized_at = item_of(subscription).current_period_end + HOUR
    assert (failed.status, failed.attempt_count, failed.amount_remaining) == ("open", 1, 2000)
    assert failed.next_payment_attempt == finalized_at + 3 * DAY
    assert (await own_lookalike.subscription(subscription.id)).status == "past_due"

    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_visa")
    seen = await newest(own_lookalike)
    await own_lookalike.advance(days=3)

    assert await since(own_lookalike, subscription, seen) == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]
    recovered = (await invoices_of(own_lookalike, subscription))[-1]
    assert (recovered.id, recovered.status, recovered.attempt_count) == (failed.id, "paid", 1)
    assert (await own_lookalike.subscription(subscription.id)).status == "active"


@pytest.mark.parametrize(
    ("after_retries", "status", "last"),
    [
        ("cancel", "canceled", "customer.subscription.deleted"),
        ("unpaid", "unpaid", "customer.subscription.updated"),
        ("past_due", "past_due", "invoice.payment_failed"),
    ],
)
async def test_after_the_last_attempt_the_accounts_terms_say_what_follows(
    own_lookalike: LookAlike, after_retries: str, status: str, last: str
) -> None:
    await own_lookalike.control("billing", after_retries=after_retries, retry_days=[1, 2])
    subscription = await own_lookalike.subscribe()
    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")

    await own_lookalike.control("clock/advance", to=item_of(subscription).current_period_end + HOUR + 3 * DAY)

    failed = (await invoices_of(own_lookalike, subscription))[-1]
    assert (failed.status, failed.attempt_count, failed.next_payment_attempt) == ("open", 3, None)
    given_up = await own_lookalike.subscription(subscription.id)
    assert given_up.status == status
    types = [event.type for event in await about(own_lookalike, subscription) if event.type != "customer.updated"]
    assert types.count("invoice.payment_failed") == 3
    assert [type for type in types if type != "invoice.updated"][-1] == last
    if status == "canceled":
        assert given_up.cancellation_details is not None
        assert given_up.cancellation_details.reason == "payment_failed"


async def test_an_unpaid_subscription_goes_on_to_make_drafts_and_is_active_once_it_is_paid(
    own_lookalike: LookAlike,
) -> None:
    await own_lookalike.control("billing", after_retries="unpaid", retry_days=[1])
    subscription = await own_lookalike.subscribe()
    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")
    await own_lookalike.advance(days=65)

    invoices = await invoices_of(own_lookalike, subscription)
    assert [invoice.status for invoice in invoices] == ["paid", "open", "draft"]
    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_visa")
    await own_lookalike.client.v1.invoices.pay_async(invoices[1].id)

    assert (await own_lookalike.subscription(subscription.id)).status == "active"


async def test_a_canceled_subscription_is_billed_no_more(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()

    canceled = await own_lookalike.client.v1.subscriptions.cancel_async(subscription.id)
    assert (await about(own_lookalike, subscription))[-1].type == "customer.subscription.deleted"
    await own_lookalike.advance(days=40)

    assert (canceled.status, canceled.ended_at is not None) == ("canceled", True)
    assert len(await invoices_of(own_lookalike, subscription)) == 1
    assert (await about(own_lookalike, subscription)) == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await own_lookalike.client.v1.subscriptions.cancel_async(subscription.id)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


async def test_cancel_at_period_end_can_be_taken_back_and_else_ends_without_an_invoice(
    own_lookalike: LookAlike,
) -> None:
    subscriptions = own_lookalike.client.v1.subscriptions
    kept, ended = await own_lookalike.subscribe(), await own_lookalike.subscribe()
    for subscription in (kept, ended):
        asked = await subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
        assert (asked.status, asked.cancel_at) == ("active", item_of(subscription).current_period_end)
    await subscriptions.update_async(kept.id, {"cancel_at_period_end": False})

    await own_lookalike.advance(days=32)

    assert (await own_lookalike.subscription(kept.id)).status == "active"
    gone = await own_lookalike.subscription(ended.id)
    assert (gone.status, gone.ended_at) == ("canceled", item_of(ended).current_period_end)
    types = [event.type for event in await about(own_lookalike, ended)]
    assert types[-1] == "customer.subscription.deleted"
    assert "invoice.upcoming" not in types
    assert len(await invoices_of(own_lookalike, ended)) == 1


async def test_the_event_of_a_cancellation_says_what_it_changed(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await own_lookalike.client.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})

    asked = (await about(own_lookalike, subscription))[-1]

    assert asked.type == "customer.subscription.updated"
    assert asked.data.previous_attributes is not None
    assert asked.data.previous_attributes.to_dict() == {
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"reason": None},
    }


async def test_a_trial_warns_three_days_before_and_then_charges(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe("price_trial_monthly")
    assert subscription.status == "trialing"
    assert subscription.trial_end is not None
    seen = await newest(own_lookalike)

    await own_lookalike.advance(days=11, seconds=1)
    assert (await since(own_lookalike, subscription, seen))[-1] == "customer.subscription.trial_will_end"
    await own_lookalike.advance(days=3)

    charged = await own_lookalike.subscription(subscription.id)
    assert charged.status == "active"
    first, second = await invoices_of(own_lookalike, subscription)
    assert (first.amount_paid, second.amount_due, second.billing_reason) == (0, 1500, "subscription_cycle")
    assert item_of(charged).current_period_start == subscription.trial_end


@pytest.mark.parametrize(
    ("behavior", "status", "last"),
    [
        ("cancel", "canceled", "customer.subscription.deleted"),
        ("pause", "paused", "customer.subscription.paused"),
    ],
)
async def test_a_trial_without_a_payment_method_ends_as_it_was_told_to(
    own_lookalike: LookAlike, behavior: str, status: str, last: str
) -> None:
    session = await own_lookalike.open(
        "price_trial_monthly",
        mode="subscription",
        payment_method_collection="if_required",
        subscription_data={"trial_settings": {"end_behavior": {"missing_payment_method": behavior}}},
    )
    await own_lookalike.pay(session)
    started = (await own_lookalike.session(session.id, "subscription")).subscription
    assert isinstance(started, stripe.Subscription)

    await own_lookalike.advance(days=15)

    assert (await own_lookalike.subscription(started.id)).status == status
    assert (await about(own_lookalike, started))[-1].type == last


async def test_a_paused_subscription_resumes_once_it_can_be_paid(own_lookalike: LookAlike) -> None:
    session = await own_lookalike.open(
        "price_trial_monthly",
        mode="subscription",
        payment_method_collection="if_required",
        subscription_data={"trial_settings": {"end_behavior": {"missing_payment_method": "pause"}}},
    )
    await own_lookalike.pay(session)
    started = (await own_lookalike.session(session.id, "subscription")).subscription
    assert isinstance(started, stripe.Subscription)
    await own_lookalike.advance(days=15)

    await own_lookalike.use_card(str(started.customer), started.id, "pm_card_visa")
    resumed = await own_lookalike.client.v1.subscriptions.resume_async(
        started.id, {"billing_cycle_anchor": {"type": "now"}}
    )

    assert resumed.status == "active"
    assert (await invoices_of(own_lookalike, started))[-1].amount_paid == 1500
    assert (await about(own_lookalike, started))[-1].type == "customer.subscription.resumed"
    with pytest.raises(stripe.InvalidRequestError, match="Only paused subscriptions"):
        await own_lookalike.client.v1.subscriptions.resume_async(started.id)


@pytest.mark.parametrize(
    ("behavior", "status"), [("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible"), ("void", "void")]
)
async def test_while_collection_is_paused_nobody_is_charged(
    own_lookalike: LookAlike, behavior: Any, status: str
) -> None:
    subscription = await own_lookalike.subscribe()
    resumes_at = item_of(subscription).current_period_end + DAY
    await own_lookalike.client.v1.subscriptions.update_async(
        subscription.id, {"pause_collection": {"behavior": behavior, "resumes_at": resumes_at}}
    )

    await own_lookalike.advance(days=65)

    assert [invoice.status for invoice in await invoices_of(own_lookalike, subscription)] == ["paid", status, "paid"]
    now = await own_lookalike.subscription(subscription.id)
    assert (now.status, now.pause_collection) == ("active", None)


async def test_a_card_that_asks_for_3d_secure_leaves_a_renewal_open_until_its_owner_pays(
    own_lookalike: LookAlike,
) -> None:
    session = await own_lookalike.open("price_pro_monthly", mode="subscription")
    await own_lookalike.pay(session, card_number=ALWAYS_3DS)
    await own_lookalike.control(f"checkout/{session.id}/authenticate", outcome="approve")
    subscription = (await own_lookalike.session(session.id, "subscription")).subscription
    assert isinstance(subscription, stripe.Subscription)

    await own_lookalike.advance(days=32)

    types = [event.type for event in await about(own_lookalike, subscription) if event.type != "customer.updated"]
    assert types[-5:] == [
        "payment_intent.requires_action",
        "invoice.payment_action_required",
        "invoice.updated",
        "invoice.payment_failed",
        "customer.subscription.updated",
    ]
    invoice = (await invoices_of(own_lookalike, subscription))[-1]
    paid = await own_lookalike.client.v1.invoices.pay_async(invoice.id, {"off_session": False})
    assert paid.status == "paid"
    assert (await own_lookalike.subscription(subscription.id)).status == "active"


async def test_a_subscription_that_was_begun_before_a_restart_renews_after_it(own_lookalike: LookAlike) -> None:
    """What is due stands with the data; what fell due meanwhile happens at its own time."""
    subscription = await own_lookalike.subscribe()
    end = item_of(subscription).current_period_end

    await own_lookalike.control("clock", offset_seconds=40 * DAY)
    await own_lookalike.event_types_once("subscription_cycle", 5)

    renewal = (await invoices_of(own_lookalike, subscription))[-1]
    assert (renewal.created, renewal.status_transitions.paid_at) == (end, end + HOUR)
