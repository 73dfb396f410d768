"""Objects: every field that the SDK's classes know is there, and what is expanded is the thing itself."""

from typing import Any

import pytest
import stripe

from tests.sandbox.stripe.lookalike import LookAlike

CARD = "4242424242424242"

# Fields that Stripe leaves out: asked for by name, only with certain features, or gone with the object.
NOT_SENT: dict[type[Any], set[str]] = {
    stripe.checkout.Session: {"line_items", "managed_payments", "name_collection", "optional_items", "tax_id_collection"},
    stripe.PaymentIntent: {"hooks", "managed_payments", "payment_details", "payment_record"},
    stripe.Charge: {"refunds", "level3", "authorization_code", "transfer"},
    stripe.Price: {"deleted", "currency_options", "tiers"},
    stripe.Product: {"deleted", "tax_details"},
    stripe.Customer: {
        "cash_balance", "deleted", "invoice_credit_balance", "sources", "subscriptions", "tax", "tax_ids",
    },
    stripe.LineItem: {"discounts", "taxes"},
    stripe.Subscription: {"managed_payments", "presentment_details"},
    stripe.SubscriptionItem: {"billed_until", "deleted"},
    stripe.Plan: {"deleted", "tiers"},
    stripe.Invoice: {"confirmation_secret", "deleted", "payments", "threshold_reason"},
    stripe.InvoiceLineItem: {"quantity_decimal", "subscription"},
    stripe.InvoiceItem: {"deleted"},
    stripe.InvoicePayment: set(),
    stripe.test_helpers.TestClock: {"deleted"},
    stripe.billing_portal.Session: set(),
    stripe.billing.Meter: set(),
    stripe.billing.MeterEvent: set(),
    stripe.BalanceTransaction: set(),
    stripe.Refund: {
        "description", "failure_balance_transaction", "failure_reason", "instructions_email", "next_action", "pending_reason",
    },
    stripe.Dispute: set(),
    stripe.Event: {"account", "context"},
    stripe.WebhookEndpoint: {"deleted", "secret"},
}  # fmt: skip


def assert_whole(thing: Any) -> None:
    kind = next(kind for kind in NOT_SENT if type(thing) is kind)
    fields = {name for name, type in kind.__annotations__.items() if "ClassVar" not in str(type)}
    assert fields - NOT_SENT[kind] - set(thing.to_dict()) == set(), kind


async def test_a_sessions_objects_are_whole(lookalike: LookAlike) -> None:
    session = await lookalike.open(customer_creation="always")
    assert_whole(session)
    await lookalike.pay(session, card_number=CARD)

    paid = await lookalike.session(
        session.id,
        "line_items",
        "customer",
        "payment_intent.latest_charge.payment_intent",
        "payment_intent.payment_method",
    )

    intent = paid.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.payment_intent, stripe.PaymentIntent)
    assert isinstance(intent.payment_method, stripe.PaymentMethod)
    assert intent.payment_method.card is not None
    assert intent.payment_method.card.last4 == "4242"
    assert paid.line_items is not None
    for thing in (paid, paid.customer, intent, charge, *paid.line_items.data, paid.line_items.data[0].price):
        assert_whole(thing)


async def test_what_else_belongs_to_a_subscription_is_whole(lookalike: LookAlike) -> None:
    v1 = lookalike.client.v1
    subscription = await lookalike.subscribe()
    event: Any = {"event_name": "api_calls", "payload": {"stripe_customer_id": subscription.customer, "value": "1"}}
    change: Any = {"items": [{"price": "price_team_monthly"}]}
    await v1.subscriptions.update_async(subscription.id, change)

    assert_whole((await v1.invoice_payments.list_async({"invoice": str(subscription.latest_invoice)})).data[0])
    assert_whole((await v1.invoice_items.list_async({"customer": str(subscription.customer)})).data[0])
    assert_whole(await v1.test_helpers.test_clocks.create_async({"frozen_time": 1_800_000_000}))
    assert_whole(await v1.billing_portal.sessions.create_async({"customer": str(subscription.customer)}))
    assert_whole(await v1.billing.meters.retrieve_async("mtr_calls"))
    assert_whole(await v1.billing.meter_events.create_async(event))


async def test_a_refunds_and_a_disputes_objects_are_whole(lookalike: LookAlike) -> None:
    charge = await lookalike.charge()
    refund = await lookalike.client.v1.refunds.create_async(
        {"charge": charge.id, "amount": 100, "expand": ["charge.refunds", "balance_transaction", "payment_intent"]}
    )
    opened = await lookalike.control(f"charges/{charge.id}/dispute")
    dispute = await lookalike.client.v1.disputes.retrieve_async(opened["id"], {"expand": ["charge", "payment_intent"]})

    assert isinstance(refund.charge, stripe.Charge)
    assert refund.charge.refunds is not None
    assert refund.charge.refunds.data[0].id == refund.id
    for thing in (refund, refund.balance_transaction, refund.payment_intent, dispute, dispute.charge):
        assert_whole(thing)
    for entry in dispute.balance_transactions:
        assert_whole(entry)


async def test_a_subscriptions_objects_are_whole(lookalike: LookAlike) -> None:
    session = await lookalike.open("price_pro_yearly", mode="subscription")
    await lookalike.pay(session, card_number=CARD)

    paid = await lookalike.session(session.id, "subscription.customer", "invoice", "customer")

    subscription, invoice = paid.subscription, paid.invoice
    assert isinstance(subscription, stripe.Subscription)
    assert isinstance(invoice, stripe.Invoice)
    (item,) = subscription["items"]["data"]
    for thing in (subscription, subscription.customer, item, item.plan, item.price, invoice, *invoice.lines.data):
        assert_whole(thing)
    assert invoice.parent is not None
    assert invoice.parent.subscription_details is not None
    assert invoice.parent.subscription_details.subscription == subscription.id
    assert 365 * 86400 <= item.current_period_end - item.current_period_start <= 366 * 86400


async def test_line_items_are_absent_unless_asked_for(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    assert "line_items" not in (await lookalike.session(session.id)).to_dict()
    asked = await lookalike.session(session.id, "line_items.data.price.product")
    assert asked.line_items is not None
    assert asked.line_items.data[0].price is not None
    assert isinstance(asked.line_items.data[0].price.product, stripe.Product)


async def test_what_is_null_expands_to_null(lookalike: LookAlike) -> None:
    session = await lookalike.open()

    assert (await lookalike.session(session.id, "payment_intent.latest_charge")).payment_intent is None


async def test_lists_expand_what_is_in_their_data(lookalike: LookAlike) -> None:
    prices = await lookalike.client.v1.prices.list_async({"expand": ["data.product"], "limit": 3})

    assert [type(price.product) for price in prices.data] == [stripe.Product] * 3


async def test_every_id_has_its_prefix(lookalike: LookAlike) -> None:
    session = await lookalike.open("price_pro_monthly", mode="subscription")
    await lookalike.pay(session, card_number=CARD)
    paid = await lookalike.session(session.id, "line_items", "subscription")

    assert paid.id.startswith("cs_test_")
    assert str(paid.customer).startswith("cus_")
    assert str(paid.invoice).startswith("in_")
    assert paid.line_items is not None
    assert paid.line_items.data[0].id.startswith("li_")
    assert isinstance(paid.subscription, stripe.Subscription)
    assert paid.subscription.id.startswith("sub_")
    events = await lookalike.client.v1.events.list_async({"limit": 1})
    assert events.data[0].id.startswith("evt_")


@pytest.mark.parametrize(
    ("id", "unit_amount", "currency", "interval"),
    [
        ("price_ebook", 2999, "usd", None),
        ("price_credits_1000", 1000, "usd", None),
        ("price_credits_10000", 8000, "usd", None),
        ("price_pro_monthly", 2000, "usd", "month"),
        ("price_pro_yearly", 20000, "usd", "year"),
        ("price_team_monthly", 5000, "usd", "month"),
        ("price_trial_monthly", 1500, "usd", "month"),
        ("price_free", 0, "usd", None),
        ("price_yen", 500, "jpy", None),
        ("price_calls_metered", 2, "usd", "month"),
    ],
)
async def test_the_catalogue_is_there_from_the_start(
    lookalike: LookAlike, id: str, unit_amount: int, currency: str, interval: str | None
) -> None:
    price = await lookalike.client.v1.prices.retrieve_async(id, {"expand": ["product"]})

    assert (price.unit_amount, price.currency) == (unit_amount, currency)
    assert (price.recurring.interval if price.recurring else None) == interval
    assert isinstance(price.product, stripe.Product)
    assert price.product.default_price == id
    assert_whole(price)
    assert_whole(price.product)


async def test_a_new_price_can_be_sold_and_found_by_its_lookup_key(lookalike: LookAlike) -> None:
    prices = lookalike.client.v1.prices
    product = await lookalike.client.v1.products.create_async({"name": "A mug", "metadata": {"1": "one"}})
    price = await prices.create_async(
        {"currency": "eur", "unit_amount": 1250, "product": product.id, "lookup_key": "mug"}
    )

    found = await prices.list_async({"lookup_keys": ["mug"]})
    session = await lookalike.open(price.id)

    assert [one.id for one in found.data] == [price.id]
    assert (session.amount_total, session.currency) == (1250, "eur")
    assert product.metadata["1"] == "one"
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        await prices.create_async({"currency": "eur", "unit_amount": 1, "product": product.id, "lookup_key": "mug"})


async def test_an_inactive_price_cannot_be_sold(lookalike: LookAlike) -> None:
    price = await lookalike.client.v1.prices.create_async(
        {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Old"}, "active": False}
    )

    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        await lookalike.open(price.id)


async def test_price_data_makes_a_price_for_this_order_only(lookalike: LookAlike) -> None:
    data = {"currency": "jpy", "unit_amount": 700, "product_data": {"name": "Tea"}}
    session = await lookalike.open(line_items=[{"price_data": data, "quantity": 3}])

    (item,) = (await lookalike.client.v1.checkout.sessions.line_items.list_async(session.id)).data

    assert (session.amount_total, session.currency, item.description) == (2100, "jpy", "Tea")
    assert item.price is not None
    assert not item.price.active


async def test_a_customer_can_be_made_changed_and_deleted(lookalike: LookAlike) -> None:
    customers = lookalike.client.v1.customers
    customer = await customers.create_async({"email": "reader@example.com", "metadata": {"a": "1"}})
    changed = await customers.update_async(customer.id, {"name": "A Reader", "metadata": {"b": "2"}})

    deleted = await customers.delete_async(customer.id)

    assert_whole(customer)
    assert (changed.name, changed.email) == ("A Reader", "reader@example.com")
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "1", "b": "2"}
    assert deleted.deleted
    assert (await customers.retrieve_async(customer.id)).to_dict().keys() == {"id", "object", "deleted"}
    assert customer.id not in [one.id for one in (await customers.list_async({"limit": 100})).data]
    for call in (customers.delete_async(customer.id), lookalike.open(customer=customer.id)):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await call
        assert refused.value.code == "resource_missing"


async def test_a_guest_pays_without_a_customer_and_a_known_one_keeps_theirs(lookalike: LookAlike) -> None:
    customer = await lookalike.client.v1.customers.create_async({"email": "reader@example.com"})
    guest, known = await lookalike.open(), await lookalike.open(customer=customer.id)
    for session in (guest, known):
        await lookalike.pay(session, card_number=CARD)

    assert (await lookalike.session(guest.id)).customer is None
    paid = await lookalike.session(known.id, "payment_intent.latest_charge")
    assert paid.customer == customer.id
    assert isinstance(paid.payment_intent, stripe.PaymentIntent)
    assert isinstance(paid.payment_intent.latest_charge, stripe.Charge)
    assert paid.payment_intent.latest_charge.customer == customer.id
