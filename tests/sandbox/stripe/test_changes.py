"""Changes of a subscription: prices, quantities, trials and cycles, what they prorate, and who pays for them when."""

import time
from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import API_KEY, LookAlike

DAY = 86400


def item_of(subscription: stripe.Subscription) -> Any:
    (item,) = subscription["items"]["data"]
    return item


async def to_price(lookalike: LookAlike, subscription: stripe.Subscription, price: str, **more: Any) -> Any:
    """The same item of the subscription, at another price."""
    change: Any = {"items": [{"id": item_of(subscription).id, "price": price}], **more}
    return await lookalike.client.v1.subscriptions.update_async(subscription.id, change)


async def newest_invoice(lookalike: LookAlike, subscription: stripe.Subscription) -> stripe.Invoice:
    found = await lookalike.client.v1.invoices.list_async({"subscription": subscription.id, "limit": 1})
    return found.data[0]


def left(subscription: stripe.Subscription, changed_at: int, amount: int) -> int:
    """What is left of an amount for the whole period, to the second, rounded half up."""
    start, end = int(item_of(subscription).current_period_start), int(item_of(subscription).current_period_end)
    return (2 * amount * (end - changed_at) + end - start) // (2 * (end - start))


async def half_way(lookalike: LookAlike, subscription: stripe.Subscription) -> None:
    item = item_of(subscription)
    await lookalike.control("clock/advance", to=(item.current_period_start + item.current_period_end) // 2)


async def test_a_change_in_the_middle_waits_as_a_credit_and_a_charge_for_the_next_invoice(
    own_lookalike: LookAlike,
) -> None:
    subscription = await own_lookalike.subscribe()
    await half_way(own_lookalike, subscription)

    changed = await to_price(own_lookalike, subscription, "price_team_monthly")

    waiting = (
        await own_lookalike.client.v1.invoice_items.list_async(
            {"customer": str(subscription.customer), "pending": True}
        )
    ).data
    charge, credit = waiting
    assert (credit.amount, charge.amount) == (
        -left(subscription, credit.period.start, 2000),
        left(subscription, charge.period.start, 5000),
    )
    assert credit.proration
    assert str(credit.description).startswith("Unused time on Pro, monthly after ")
    assert str(charge.description).startswith("Remaining time on Team, monthly after ")
    assert item_of(changed).price.id == "price_team_monthly"
    assert item_of(changed).current_period_end == item_of(subscription).current_period_end
    assert (await newest_invoice(own_lookalike, subscription)).billing_reason == "subscription_create"

    await own_lookalike.control("clock/advance", to=item_of(subscription).current_period_end + 3600)
    renewal = await newest_invoice(own_lookalike, subscription)

    assert renewal.amount_paid == 5000 + charge.amount + credit.amount
    details = [line.parent.subscription_item_details for line in renewal.lines.data if line.parent]
    assert [(detail.proration, detail.invoice_item) for detail in details if detail] == [
        (False, None),
        (True, credit.id),
        (True, charge.id),
    ]
    assert (await own_lookalike.client.v1.invoice_items.retrieve_async(credit.id)).invoice == renewal.id


async def test_the_events_of_a_change_that_waits(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await half_way(own_lookalike, subscription)
    await to_price(own_lookalike, subscription, "price_team_monthly")

    events = await own_lookalike.events(str(subscription.customer))

    assert [event.type for event in events[-3:]] == [
        "invoiceitem.created",
        "invoiceitem.created",
        "customer.subscription.updated",
    ]
    previous = events[-1].data.previous_attributes
    assert previous is not None
    assert previous.to_dict()["items"]["data"][0]["price"]["id"] == "price_pro_monthly"
    assert events[-1].request is not None
    assert events[-1].request.id is not None


async def test_always_invoice_charges_the_difference_at_once(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await half_way(own_lookalike, subscription)

    await to_price(own_lookalike, subscription, "price_team_monthly", proration_behavior="always_invoice")

    invoice = await newest_invoice(own_lookalike, subscription)
    changed_at = invoice.lines.data[0].period.start
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_update")
    assert invoice.amount_paid == left(subscription, changed_at, 5000) - left(subscription, changed_at, 2000)


async def test_no_proration_changes_only_what_comes_next(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await half_way(own_lookalike, subscription)

    await to_price(own_lookalike, subscription, "price_team_monthly", proration_behavior="none")
    await own_lookalike.control("clock/advance", to=item_of(subscription).current_period_end + 3600)

    assert (await newest_invoice(own_lookalike, subscription)).amount_paid == 5000


async def test_a_downgrade_leaves_a_credit_that_later_invoices_use_up(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe(
        "price_team_monthly", line_items=[{"price": "price_team_monthly", "quantity": 2}]
    )
    await half_way(own_lookalike, subscription)

    changed: Any = {
        "items": [{"id": item_of(subscription).id, "price": "price_pro_monthly", "quantity": 1}],
        "proration_behavior": "always_invoice",
    }
    await own_lookalike.client.v1.subscriptions.update_async(subscription.id, changed)

    invoice = await newest_invoice(own_lookalike, subscription)
    assert (invoice.status, invoice.amount_due) == ("paid", 0)
    assert invoice.total < 0
    customer = await own_lookalike.client.v1.customers.retrieve_async(str(subscription.customer))
    assert customer.balance == invoice.total == invoice.ending_balance

    await own_lookalike.control("clock/advance", to=item_of(subscription).current_period_end + 3600)
    renewal = await newest_invoice(own_lookalike, subscription)
    assert (renewal.total, renewal.starting_balance) == (2000, invoice.total)
    assert renewal.amount_due == max(0, 2000 + invoice.total)


async def test_a_quantity_is_prorated_too(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await half_way(own_lookalike, subscription)

    changed = await own_lookalike.client.v1.subscriptions.update_async(
        subscription.id,
        {"items": [{"id": item_of(subscription).id, "quantity": 3}], "proration_behavior": "always_invoice"},
    )

    invoice = await newest_invoice(own_lookalike, subscription)
    changed_at = invoice.lines.data[0].period.start
    assert changed["quantity"] == 3
    assert invoice.total == left(subscription, changed_at, 6000) - left(subscription, changed_at, 2000)


async def test_another_interval_begins_a_period_and_is_billed_at_once(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await half_way(own_lookalike, subscription)

    changed = await to_price(own_lookalike, subscription, "price_pro_yearly")

    invoice = await newest_invoice(own_lookalike, subscription)
    item = item_of(changed)
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_update")
    assert invoice.total == 20000 - left(subscription, item.current_period_start, 2000)
    assert changed.billing_cycle_anchor == item.current_period_start
    assert item.current_period_end - item.current_period_start in (365 * DAY, 366 * DAY)


async def test_the_cycle_can_be_begun_anew(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await half_way(own_lookalike, subscription)

    changed = await own_lookalike.client.v1.subscriptions.update_async(
        subscription.id, {"billing_cycle_anchor": {"type": "now"}, "proration_behavior": "none"}
    )

    assert changed.billing_cycle_anchor > subscription.billing_cycle_anchor
    assert (await newest_invoice(own_lookalike, subscription)).amount_paid == 2000


async def test_a_trial_can_be_ended_and_is_charged_then(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe("price_trial_monthly")

    ended = await own_lookalike.client.v1.subscriptions.update_async(subscription.id, {"trial_end": "now"})

    assert (ended.status, ended.trial_end) == ("active", item_of(ended).current_period_start)
    assert (await newest_invoice(own_lookalike, subscription)).amount_paid == 1500


async def test_a_trial_can_be_given_in_the_middle(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    trial_end = int(time.time()) + 10 * DAY

    trialing = await own_lookalike.client.v1.subscriptions.update_async(
        subscription.id, {"trial_end": trial_end, "proration_behavior": "none"}
    )

    assert (trialing.status, item_of(trialing).current_period_end) == ("trialing", trial_end)
    assert (await newest_invoice(own_lookalike, subscription)).amount_due == 0
    await own_lookalike.control("clock/advance", to=trial_end + 3600)
    assert (await own_lookalike.subscription(subscription.id)).status == "active"


async def test_another_price_in_a_trial_costs_nothing_yet(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe("price_trial_monthly")

    changed = await to_price(own_lookalike, subscription, "price_team_monthly", proration_behavior="always_invoice")

    assert (changed.status, item_of(changed).price.id) == ("trialing", "price_team_monthly")
    assert (await newest_invoice(own_lookalike, subscription)).billing_reason == "subscription_create"


async def test_items_can_be_added_and_deleted(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    change: Any = {"items": [{"price": "price_team_monthly"}, {"price": "price_calls_metered"}]}

    three = await own_lookalike.client.v1.subscriptions.update_async(subscription.id, change)
    gone: Any = {"items": [{"id": item_of(subscription).id, "deleted": True}]}
    two = await own_lookalike.client.v1.subscriptions.update_async(subscription.id, gone)

    assert [item["price"]["id"] for item in three["items"]["data"]] == [
        "price_pro_monthly",
        "price_team_monthly",
        "price_calls_metered",
    ]
    assert two["items"]["total_count"] == 2
    assert two["plan"] is None
    listed = await own_lookalike.client.v1.subscription_items.list_async({"subscription": subscription.id})
    assert [item.price.id for item in listed.data] == ["price_team_monthly", "price_calls_metered"]


async def test_items_of_two_rhythms_end_at_their_own_times(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    change: Any = {"items": [{"price": "price_pro_yearly"}], "proration_behavior": "always_invoice"}

    both = await own_lookalike.client.v1.subscriptions.update_async(subscription.id, change)
    await own_lookalike.advance(days=70)
    renewed = await own_lookalike.subscription(subscription.id)

    month, year = both["items"]["data"]
    assert month["current_period_end"] < year["current_period_end"]
    month_now, year_now = renewed["items"]["data"]
    assert month_now["current_period_end"] > month["current_period_end"]
    assert year_now["current_period_end"] == year["current_period_end"]
    assert (await newest_invoice(own_lookalike, subscription)).amount_paid == 2000


@pytest.mark.parametrize(
    ("behavior", "status", "invoice_status"),
    [("allow_incomplete", "past_due", "open"), ("default_incomplete", "past_due", "open")],
)
async def test_a_change_that_cannot_be_paid_leaves_the_subscription_past_due(
    own_lookalike: LookAlike, behavior: str, status: str, invoice_status: str
) -> None:
    subscription = await own_lookalike.subscribe()
    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")
    await half_way(own_lookalike, subscription)

    changed = await to_price(
        own_lookalike,
        subscription,
        "price_team_monthly",
        proration_behavior="always_invoice",
        payment_behavior=behavior,
    )

    assert (changed.status, item_of(changed).price.id) == (status, "price_team_monthly")
    assert (await newest_invoice(own_lookalike, subscription)).status == invoice_status


async def test_error_if_incomplete_refuses_and_changes_nothing(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")
    await half_way(own_lookalike, subscription)

    with pytest.raises(stripe.CardError) as refused:
        await to_price(
            own_lookalike,
            subscription,
            "price_team_monthly",
            proration_behavior="always_invoice",
            payment_behavior="error_if_incomplete",
        )

    assert refused.value.code == "card_declined"
    now = await own_lookalike.subscription(subscription.id)
    assert (now.status, item_of(now).price.id) == ("active", "price_pro_monthly")
    assert (await newest_invoice(own_lookalike, subscription)).billing_reason == "subscription_create"


async def test_prorate_and_invoice_now_give_back_what_is_left(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    await half_way(own_lookalike, subscription)

    canceled = await own_lookalike.client.v1.subscriptions.cancel_async(
        subscription.id, {"invoice_now": True, "prorate": True, "cancellation_details": {"feedback": "too_expensive"}}
    )

    invoice = await newest_invoice(own_lookalike, subscription)
    assert canceled.ended_at is not None
    assert invoice.total == -left(subscription, canceled.ended_at, 2000)
    assert canceled.cancellation_details is not None
    assert canceled.cancellation_details.feedback == "too_expensive"


async def test_a_deleted_customer_takes_its_subscriptions_along(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()

    await own_lookalike.client.v1.customers.delete_async(str(subscription.customer))

    assert (await own_lookalike.subscription(subscription.id)).status == "canceled"
    types = await own_lookalike.event_types(str(subscription.customer))
    assert [type for type in types if type != "charge.updated"][-2:] == [
        "customer.subscription.deleted",
        "customer.deleted",
    ]


async def test_metadata_is_merged_key_by_key_and_told_so(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe(subscription_data={"metadata": {"a": "1", "b": "2"}})

    changed = await own_lookalike.client.v1.subscriptions.update_async(
        subscription.id, {"metadata": {"b": "", "c": "3"}}
    )

    assert changed.metadata.to_dict() == {"a": "1", "c": "3"}
    previous = (await own_lookalike.events(subscription.id))[-1].data.previous_attributes
    assert previous is not None
    assert previous.to_dict() == {"metadata": {"b": "2", "c": None}}


async def test_a_call_that_changes_nothing_sends_nothing(own_lookalike: LookAlike) -> None:
    subscription = await own_lookalike.subscribe()
    before = await own_lookalike.event_types(subscription.id)

    await own_lookalike.client.v1.subscriptions.update_async(subscription.id, {"metadata": {}})

    assert await own_lookalike.event_types(subscription.id) == before


# Subscriptions that a call makes.


async def customer_with(lookalike: LookAlike, token: str | None) -> str:
    customer = await lookalike.client.v1.customers.create_async({"email": "reader@example.com"})
    if token is not None:
        method = await lookalike.client.v1.payment_methods.attach_async(token, {"customer": customer.id})
        await lookalike.client.v1.customers.update_async(
            customer.id, {"invoice_settings": {"default_payment_method": method.id}}
        )
    return customer.id


async def make(lookalike: LookAlike, customer: str, **more: Any) -> stripe.Subscription:
    asked: Any = {"customer": customer, "items": [{"price": "price_pro_monthly"}], **more}
    return await lookalike.client.v1.subscriptions.create_async(asked)


async def test_a_subscription_made_by_a_call_is_paid_from_the_customers_card(lookalike: LookAlike) -> None:
    customer = await customer_with(lookalike, "pm_card_visa")

    subscription = await make(lookalike, customer, expand=["latest_invoice"])

    assert subscription.status == "active"
    assert isinstance(subscription.latest_invoice, stripe.Invoice)
    assert subscription.latest_invoice.amount_paid == 2000
    types = [type for type in await lookalike.event_types(customer) if type != "charge.updated"]
    assert types[-10:] == [
        "invoice.created",
        "customer.subscription.created",
        "invoice.updated",
        "invoice.finalized",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.paid",
        "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]


async def test_an_incomplete_subscription_expires_after_23_hours(own_lookalike: LookAlike) -> None:
    customer = await customer_with(own_lookalike, "pm_card_chargeCustomerFail")

    subscription = await make(own_lookalike, customer)
    assert subscription.status == "incomplete"
    await own_lookalike.advance(23 * 3600)

    assert (await own_lookalike.subscription(subscription.id)).status == "incomplete_expired"
    assert (await newest_invoice(own_lookalike, subscription)).status == "void"
    ended = await own_lookalike.client.v1.subscriptions.list_async({"status": "ended"})
    assert [one.id for one in ended.data] == [subscription.id]
    assert (await own_lookalike.client.v1.subscriptions.list_async()).data == []


async def test_an_incomplete_subscription_is_active_once_its_invoice_is_paid(lookalike: LookAlike) -> None:
    customer = await customer_with(lookalike, None)
    subscription = await make(
        lookalike, customer, payment_behavior="default_incomplete", expand=["latest_invoice.confirmation_secret"]
    )
    assert subscription.status == "incomplete"
    assert isinstance(subscription.latest_invoice, stripe.Invoice)
    assert subscription.latest_invoice.confirmation_secret is not None

    method = await lookalike.client.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer})
    await lookalike.client.v1.invoices.pay_async(subscription.latest_invoice.id, {"payment_method": method.id})

    assert (await lookalike.subscription(subscription.id)).status == "active"


async def test_an_anchor_in_the_future_makes_a_short_first_period(lookalike: LookAlike) -> None:
    customer = await customer_with(lookalike, "pm_card_visa")
    anchor = int(time.time()) + 10 * DAY

    subscription = await make(lookalike, customer, billing_cycle_anchor=anchor)

    assert item_of(subscription).current_period_end == anchor
    invoice = await newest_invoice(lookalike, subscription)
    assert 600 < invoice.amount_paid < 750


async def test_one_off_prices_are_billed_with_the_first_invoice(lookalike: LookAlike) -> None:
    customer = await customer_with(lookalike, "pm_card_visa")

    subscription = await make(lookalike, customer, add_invoice_items=[{"price": "price_ebook"}])

    assert (await newest_invoice(lookalike, subscription)).amount_paid == 2000 + 2999


# What Stripe refuses.


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"items[0][id]": "si_none"}, "resource_missing", "items[0][id]"),
        ({"items[0][price]": "price_none"}, "resource_missing", "items[0][price]"),
        ({"items[0][price]": "price_ebook"}, None, "items[0][price]"),
        ({"items[0][price]": "price_yen"}, None, "items[0][price]"),
        ({"items[0][price]": "price_pro_monthly"}, None, "items"),
        ({"items[0][quantity]": "2"}, "parameter_missing", "items[0][price]"),
        ({"items[0][price]": "price_calls_metered", "items[0][quantity]": "2"}, None, "items[0][quantity]"),
        ({"items[0][id]": "{item}", "items[0][deleted]": "true"}, None, "items"),
        ({"items[0][colour]": "red"}, "parameter_unknown", "items[0][colour]"),
        ({"billing_cycle_anchor": "now"}, None, "billing_cycle_anchor"),
        ({"billing_cycle_anchor[type]": "later"}, None, "billing_cycle_anchor[type]"),
        ({"cancel_at": "1"}, None, "cancel_at"),
        ({"cancel_at": "4000000000", "cancel_at_period_end": "true"}, "parameters_exclusive", "cancel_at"),
        ({"trial_end": "1"}, None, "trial_end"),
        ({"default_payment_method": "pm_none"}, "resource_missing", "default_payment_method"),
        ({"pause_collection[behavior]": "forget"}, None, "pause_collection[behavior]"),
        ({"pause_collection[resumes_at]": "4000000000"}, "parameter_missing", "pause_collection[behavior]"),
        ({"proration_behavior": "half"}, None, "proration_behavior"),
        ({"payment_behavior": "later"}, None, "payment_behavior"),
    ],
)
async def test_a_change_that_does_not_fit_is_refused(
    lookalike: LookAlike, change: dict[str, str], code: str | None, param: str
) -> None:
    subscription = await lookalike.subscribe()
    form = {name: value.format(item=item_of(subscription).id) for name, value in change.items()}

    answer = await lookalike.http.post(f"/v1/subscriptions/{subscription.id}", data=form, auth=(API_KEY, ""))

    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error["param"]) == (400, code, param)


async def test_a_word_for_the_anchor_is_taken_before_endive_only(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe()
    path, before = f"/v1/subscriptions/{subscription.id}", {"Stripe-Version": "2026-08-26.dahlia"}

    old = await lookalike.http.post(path, data={"billing_cycle_anchor": "now"}, auth=(API_KEY, ""), headers=before)
    new = await lookalike.http.post(
        path, data={"billing_cycle_anchor[type]": "now"}, auth=(API_KEY, ""), headers=before
    )

    assert (old.status_code, new.status_code) == (200, 400)


async def test_a_canceled_subscription_takes_metadata_only(lookalike: LookAlike) -> None:
    subscriptions = lookalike.client.v1.subscriptions
    subscription = await lookalike.subscribe()
    await subscriptions.cancel_async(subscription.id)

    told = await subscriptions.update_async(subscription.id, {"metadata": {"why": "moved"}})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})

    assert told.metadata["why"] == "moved"
    assert refused.value.code == "invalid_canceled_subscription_fields"


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({}, "parameter_missing", "items"),
        ({"items[0][price]": "price_pro_monthly", "customer": "cus_none"}, "resource_missing", "customer"),
        ({"items[0][quantity]": "1"}, "parameter_missing", "items[0][price]"),
        ({"items[0][price]": "price_pro_monthly"}, "resource_missing", None),
        (
            {"items[0][price]": "price_pro_monthly", "items[1][price]": "price_pro_monthly"},
            None,
            "items",
        ),
        ({"items[0][price]": "price_pro_monthly", "billing_cycle_anchor": "1"}, None, "billing_cycle_anchor"),
        (
            {"items[0][price]": "price_pro_monthly", "trial_end": "4000000000", "trial_period_days": "3"},
            "parameters_exclusive",
            "trial_period_days",
        ),
        ({"items[0][price]": "price_pro_monthly", "collection_method": "send_invoice"}, None, "collection_method"),
    ],
)
async def test_a_subscription_that_cannot_be_made_is_refused(
    lookalike: LookAlike, asked: dict[str, str], code: str | None, param: str | None
) -> None:
    form = {"customer": await customer_with(lookalike, None), **asked}

    answer = await lookalike.http.post("/v1/subscriptions", data=form, auth=(API_KEY, ""))

    error = answer.json()["error"]
    assert (answer.status_code, error.get("code"), error.get("param")) == (400, code, param)


# Invoices, payment methods.


async def test_an_open_invoice_can_be_voided_or_written_off_once(own_lookalike: LookAlike) -> None:
    invoices = own_lookalike.client.v1.invoices
    subscription = await own_lookalike.subscribe()
    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")
    await own_lookalike.control("clock/advance", to=item_of(subscription).current_period_end + 3600)
    failed = await newest_invoice(own_lookalike, subscription)

    void = await invoices.void_invoice_async(failed.id)

    assert (void.status, void.status_transitions.voided_at is not None) == ("void", True)
    assert (await own_lookalike.subscription(subscription.id)).status == "active"
    payment = (await own_lookalike.client.v1.invoice_payments.list_async({"invoice": failed.id})).data[0]
    assert payment.status == "canceled"
    intent = await own_lookalike.client.v1.payment_intents.retrieve_async(str(payment.payment.payment_intent))
    assert (intent.status, intent.cancellation_reason) == ("canceled", "void_invoice")
    for call in (invoices.void_invoice_async(failed.id), invoices.mark_uncollectible_async(failed.id)):
        with pytest.raises(stripe.InvalidRequestError, match="This invoice is void"):
            await call
    with pytest.raises(stripe.InvalidRequestError, match="can no longer be paid"):
        await invoices.pay_async(failed.id)


async def test_paying_an_invoice_by_hand_may_be_declined_and_paid_after_all(own_lookalike: LookAlike) -> None:
    invoices = own_lookalike.client.v1.invoices
    subscription = await own_lookalike.subscribe()
    await own_lookalike.use_card(str(subscription.customer), subscription.id, "pm_card_chargeCustomerFail")
    await own_lookalike.control("clock/advance", to=item_of(subscription).current_period_end)
    draft = await newest_invoice(own_lookalike, subscription)

    with pytest.raises(stripe.CardError) as declined:
        await invoices.pay_async(draft.id)
    assert declined.value.error is not None
    assert declined.value.error.payment_intent is not None
    assert declined.value.error.payment_intent.status == "requires_payment_method"
    assert (await invoices.retrieve_async(draft.id)).attempt_count == 1
    paid = await invoices.pay_async(draft.id, {"paid_out_of_band": True})

    assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 2000)
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        await invoices.pay_async(draft.id)


async def test_the_intent_of_an_invoice_is_ended_with_it_only(lookalike: LookAlike) -> None:
    customer = await customer_with(lookalike, None)
    subscription = await make(lookalike, customer, payment_behavior="default_incomplete")
    payments = await lookalike.client.v1.invoice_payments.list_async({"invoice": str(subscription.latest_invoice)})

    with pytest.raises(stripe.InvalidRequestError, match="Void the invoice"):
        await lookalike.client.v1.payment_intents.cancel_async(str(payments.data[0].payment.payment_intent))


async def test_invoice_payments_lead_from_an_intent_to_its_invoice(lookalike: LookAlike) -> None:
    subscription = await lookalike.subscribe()
    (one,) = (await lookalike.client.v1.invoice_payments.list_async({"invoice": str(subscription.latest_invoice)})).data

    found = await lookalike.client.v1.invoice_payments.list_async(
        {"payment": {"type": "payment_intent", "payment_intent": str(one.payment.payment_intent)}}
    )

    assert [payment.invoice for payment in found.data] == [subscription.latest_invoice]
    assert (one.status, one.amount_paid, one.is_default) == ("paid", 2000, True)


async def test_payment_methods_are_attached_listed_and_detached(lookalike: LookAlike) -> None:
    methods = lookalike.client.v1.payment_methods
    customer = await customer_with(lookalike, None)
    made = await methods.create_async(
        {"type": "card", "card": {"number": "5555555555554444", "exp_month": 12, "exp_year": 2040, "cvc": "123"}}
    )
    await methods.attach_async(made.id, {"customer": customer})
    await methods.attach_async("pm_card_visa", {"customer": customer})

    listed = (await lookalike.client.v1.customers.payment_methods.list_async(customer)).data
    detached = await methods.detach_async(made.id)

    assert [method.card.brand for method in listed if method.card] == ["visa", "mastercard"]
    assert detached.customer is None
    assert [method.id for method in (await methods.list_async({"customer": customer})).data] == [listed[0].id]
    with pytest.raises(stripe.CardError):
        await methods.attach_async("pm_card_chargeDeclined", {"customer": customer})
    with pytest.raises(stripe.InvalidRequestError):
        await methods.detach_async(made.id)
