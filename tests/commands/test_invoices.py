"""What the events of a subscription's life come to: payments, credits, standing; against a Stripe that moves time."""

from itertools import permutations

import pytest

from commands.store.memory import MemoryStore
from commands.subscriptions import payment_page
from domain.payment import PAYMENTS, PaymentSucceeded
from domain.payment import Status as PaymentStatus
from domain.payment.invoicing import payment_id_of
from domain.subscription import Status, SubscriptionCreated, SubscriptionPaymentFailed, SubscriptionRenewed
from domain.subscription.errors import NothingOwed
from gateways.errors import NoticeUnmatched
from gateways.notices import InvoiceFailed, InvoicePaid
from gateways.stripe.client import StripeGateway
from tests.commands.payments import Desk, context, order
from tests.commands.subscriptions import ALWAYS_3DS, SAVED_BUT_DECLINED, Service, clock, subscribe, types
from tests.sandbox.stripe.lookalike import LookAlike
from tests.subscribing import invoice

FIRST = ("checkout.session.completed", "customer.subscription.created", "invoice.paid")


async def test_the_first_invoice_is_the_checkout_s_payment(gateway: StripeGateway, lookalike: LookAlike) -> None:
    subscribed = await subscribe(gateway, lookalike)

    await subscribed.catch_up()

    checkout = await subscribed.checkout()
    assert (checkout.status, checkout.amount_minor) == (PaymentStatus.SUCCEEDED, 20_00)
    assert checkout.gateway_payment_id is not None, "a refund must find it"
    subscription = await subscribed.subscription()
    assert checkout.subscription_id == subscription.subscription_id
    assert (subscription.status, subscription.payment_id) == (Status.ACTIVE, subscribed.payment_id)
    assert await subscribed.credits() == 500
    assert sum(event == "payment.succeeded" for event in subscribed.service.told) == 1


async def test_whichever_word_of_the_first_invoice_comes_first_the_end_is_one(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike)
    deliveries = await subscribed.deliveries(*FIRST)
    assert sorted(types(deliveries)) == sorted(FIRST)

    ends = set()
    for heard in permutations(deliveries):
        service = subscribed.service.twin()
        await service.hear(*heard, *heard)
        (paid,) = [event for event in service.store.events if isinstance(event, PaymentSucceeded)]
        (created,) = [event for event in service.store.events if isinstance(event, SubscriptionCreated)]
        ends.add((paid, created.status, created.current_period_end, await subscribed.credits(service)))

    assert len(ends) == 1


async def test_the_first_invoice_waits_for_nothing_but_its_payment(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    """Word of it may come before our own record of the page: then Stripe is asked which page it was."""
    subscribed = await subscribe(gateway, lookalike)
    service = Service(gateway)
    service.store.rows[:] = [row for row in subscribed.service.store.rows if row.type != "payment.checkout_opened"]

    await service.hear(*await subscribed.deliveries("invoice.paid"))

    checkout = await subscribed.checkout(service)
    assert (checkout.status, checkout.checkout_id is not None) == (PaymentStatus.SUCCEEDED, True)


async def test_each_renewal_is_a_payment_of_its_own_with_its_credits(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike)
    await subscribed.catch_up()
    await subscribed.next_period()

    await subscribed.catch_up()

    (renewed,) = [event for event in subscribed.service.store.events if isinstance(event, SubscriptionRenewed)]
    assert renewed.payment_id == payment_id_of("stripe", renewed.invoice_id)
    assert (renewed.paid_minor, renewed.credits, renewed.credit_type) == (20_00, 500, "api")
    payment = await subscribed.service.store.load(PAYMENTS.at(renewed.payment_id))
    assert payment is not None
    assert (payment.status, payment.amount_minor, payment.user_id) == (PaymentStatus.SUCCEEDED, 20_00, "user-1")
    assert payment.subscription_id == renewed.subscription_id
    assert payment.gateway_payment_id is not None
    assert await subscribed.service.store.find("gateway_payment", payment.gateway_payment_id) == payment.payment_id
    assert payment.refundable_minor == 20_00
    assert await subscribed.credits() == 1000
    subscription = await subscribed.subscription()
    assert subscription.standing.current_period_start == renewed.period_start


async def test_the_same_invoice_told_twice_by_two_events_renews_once(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike)
    await subscribed.catch_up()
    await subscribed.next_period()
    await subscribed.catch_up()
    again = (await subscribed.deliveries("invoice.paid"))[-1].notice

    await subscribed.service.tell(again)

    assert await subscribed.credits() == 1000
    assert subscribed.service.told.count("subscription.renewed") == 1


async def test_a_renewal_that_fails_is_told_with_its_retries_and_recovers(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike)
    await subscribed.catch_up()
    at_stripe = await lookalike.subscription(subscribed.gateway_subscription_id)
    await lookalike.use_card(str(at_stripe.customer), at_stripe.id, SAVED_BUT_DECLINED)
    await subscribed.next_period()

    await subscribed.catch_up()

    owing = await subscribed.subscription()
    failed = [event for event in subscribed.service.store.events if isinstance(event, SubscriptionPaymentFailed)]
    assert [event.attempt for event in failed] == [1]
    assert (owing.status, owing.standing.failed_attempts) == (Status.PAST_DUE, 1)
    assert owing.standing.next_attempt_at is not None
    assert owing.standing.access_until is not None
    assert await subscribed.credits() == 500

    await lookalike.use_card(str(at_stripe.customer), at_stripe.id, "pm_card_visa")
    await lookalike.advance(days=8)
    await subscribed.catch_up()

    recovered = await subscribed.subscription()
    assert (recovered.status, recovered.standing.failed_attempts) == (Status.ACTIVE, 0)
    assert recovered.standing.access_until is None
    assert await subscribed.credits() == 1000


@pytest.mark.parametrize("heard_first", ["invoice.payment_action_required", "invoice.payment_failed"])
async def test_a_renewal_that_waits_for_its_customer_says_so_until_they_confirm_it(
    gateway: StripeGateway, lookalike: LookAlike, heard_first: str
) -> None:
    subscribed = await subscribe(gateway, lookalike, card_number=ALWAYS_3DS)
    await subscribed.catch_up()
    await subscribed.next_period()

    await subscribed.service.hear(*await subscribed.deliveries(heard_first))
    await subscribed.catch_up()

    waiting = await subscribed.subscription()
    assert (waiting.status, waiting.standing.action_required) == (Status.PAST_DUE, True)
    assert (waiting.standing.failed_attempts, await subscribed.credits()) == (1, 500)
    page = await payment_page("prj_shop", waiting.subscription_id, subscribed.service.store, gateway)
    assert (page["action_required"], page["invoice_id"]) == (True, waiting.owed_invoice_id)
    form = {"with": "card_on_file"}
    await lookalike.http.post(str(page["url"]), data=form)
    await subscribed.catch_up()

    confirmed = await subscribed.subscription()
    assert (confirmed.status, confirmed.standing.action_required) == (Status.ACTIVE, False)
    assert await subscribed.credits() == 1000
    with pytest.raises(NothingOwed):
        await payment_page("prj_shop", waiting.subscription_id, subscribed.service.store, gateway)


async def test_what_no_longer_waits_when_we_hear_of_it_is_recorded_as_it_stands(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike, card_number=ALWAYS_3DS)
    await subscribed.catch_up()
    await subscribed.next_period()
    renewed = (await lookalike.subscription(subscribed.gateway_subscription_id)).to_dict()
    await lookalike.client.v1.invoices.pay_async(renewed["latest_invoice"], {"off_session": False})

    await subscribed.service.hear(*await subscribed.deliveries("invoice.payment_action_required"))

    assert await subscribed.credits() == 1000
    assert not (await subscribed.subscription()).standing.action_required


async def test_a_trial_costs_nothing_and_has_its_credits_all_the_same(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike, "starter")

    await subscribed.catch_up()

    checkout = await subscribed.checkout()
    assert (checkout.status, checkout.amount_minor, checkout.refundable_minor) == (PaymentStatus.SUCCEEDED, 0, 0)
    (paid,) = [event for event in subscribed.service.store.events if isinstance(event, PaymentSucceeded)]
    assert not paid.amount_differs
    subscription = await subscribed.subscription()
    assert subscription.status is Status.TRIALING
    assert subscription.standing.trial_end == subscription.standing.current_period_end
    assert await subscribed.credits() == 100


async def test_after_a_trial_the_first_charge_is_a_payment_of_its_own(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    subscribed = await subscribe(gateway, lookalike, "starter")
    await lookalike.advance(days=15)

    await subscribed.catch_up()

    (renewed,) = [event for event in subscribed.service.store.events if isinstance(event, SubscriptionRenewed)]
    assert (renewed.paid_minor, renewed.credits) == (15_00, 100)
    assert (await subscribed.subscription()).status is Status.ACTIVE
    assert await subscribed.credits() == 200


@pytest.mark.parametrize("proration", ["always_invoice", "create_prorations"])
async def test_a_change_of_plan_in_the_midst_of_a_period_brings_credits_from_the_next_one_on(
    gateway: StripeGateway, lookalike: LookAlike, proration: str
) -> None:
    subscribed = await subscribe(gateway, lookalike)
    await lookalike.advance(days=10)
    at_stripe = await lookalike.subscription(subscribed.gateway_subscription_id)
    item = at_stripe["items"].data[0].id
    await lookalike.client.v1.subscriptions.update_async(
        at_stripe.id,
        {"items": [{"id": item, "price": "price_team_monthly"}], "proration_behavior": proration},
    )
    await subscribed.catch_up()

    changed = await subscribed.subscription()
    assert (changed.standing.product_id, changed.standing.amount_minor) == ("team", 50_00)
    assert await subscribed.credits() == 500
    payments = subscribed.service.told.count("payment.succeeded")
    assert payments == (2 if proration == "always_invoice" else 1)

    await subscribed.next_period()
    await subscribed.catch_up()

    assert await subscribed.credits() == 2500


async def test_invoices_of_a_subscription_that_is_nobody_s_wait(gateway: StripeGateway, lookalike: LookAlike) -> None:
    foreign = await lookalike.subscribe()
    paid = InvoicePaid(
        gateway_subscription_id=foreign.id, payment_id=None, invoice=invoice(), gateway_payment_id="pi_1"
    )
    failed = InvoiceFailed(
        gateway_subscription_id=foreign.id, payment_id="pay_unknown", invoice=invoice(), attempt=1, retry_at=None
    )

    for notice in (paid, failed):
        with pytest.raises(NoticeUnmatched):
            await Service(gateway).tell(notice)


async def test_a_one_off_payment_begins_no_subscription_whatever_a_hint_says(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    service = Service(gateway)
    asked = context(now=await clock(lookalike))
    await Desk(gateway, service.store).start(asked, order(product_id="ebook"))
    assert isinstance(service.store, MemoryStore)
    (payment_id,) = {row.stream for row in service.store.rows}
    foreign = await lookalike.subscribe()

    notice = InvoicePaid(
        gateway_subscription_id=foreign.id, payment_id=payment_id, invoice=invoice(), gateway_payment_id="pi_1"
    )
    with pytest.raises(NoticeUnmatched):
        await service.tell(notice)
