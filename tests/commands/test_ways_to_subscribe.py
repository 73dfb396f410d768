"""The ways in which a subscription's first invoice is paid, or is not: each told by webhooks, and found out by asking."""

import httpx
import pytest

from domain.payment import Payment
from domain.payment import Status as PaymentStatus
from domain.subscription import Status
from gateways.stripe.client import StripeGateway
from tests.commands.subscriptions import ALWAYS_3DS, CARD, Service, Subscribed, begun, open_page
from tests.sandbox.stripe.lookalike import LookAlike
from tests.subscribing import GRACE

IBAN = "AT611904300234573201"
NO_FUNDS = "4000000000009995"
NO_FUNDS_AFTER_3DS = "4000008260003178"


async def ends(subscribed: Subscribed, status: PaymentStatus, credits: int) -> Payment:
    """By its webhooks, and in another service, to which none came, by asking after the page. Returns the payment."""
    asking = subscribed.service.twin()
    checkout_id = (await subscribed.checkout(asking)).checkout_id
    for notice in await subscribed.service.gateway.ask(str(checkout_id)):
        await asking.tell(notice)
    await subscribed.catch_up()
    for service in (asking, subscribed.service):
        assert ((await subscribed.checkout(service)).status, await subscribed.credits(service)) == (status, credits)
    return await subscribed.checkout()


@pytest.mark.parametrize("means", [{"card_number": CARD}, {"card_number": ALWAYS_3DS}], ids=["card", "3-D Secure"])
async def test_what_is_paid_on_the_page_is_paid(
    gateway: StripeGateway, lookalike: LookAlike, means: dict[str, str]
) -> None:
    opened, session = await open_page(gateway, lookalike)
    outcome = await lookalike.pay(session, **means)
    if outcome["status"] == "requires_action":
        await opened.catch_up()
        assert (await opened.checkout()).status is PaymentStatus.CHECKOUT_OPENED, "the customer is at their bank"
        await lookalike.control(f"checkout/{session.id}/authenticate", outcome="approve")

    payment = await ends(opened, PaymentStatus.SUCCEEDED, 500)

    assert payment.refundable_minor == 20_00
    subscription = await (await begun(opened, session)).subscription()
    assert (subscription.status, subscription.payment_id) == (Status.ACTIVE, payment.payment_id)


@pytest.mark.parametrize(
    ("card", "told"),
    [(NO_FUNDS, "insufficient_funds"), (ALWAYS_3DS, None), (NO_FUNDS_AFTER_3DS, "insufficient_funds")],
    ids=["declined", "not authenticated", "declined after 3-D Secure"],
)
async def test_a_failed_attempt_leaves_the_page_open_and_another_card_pays(
    gateway: StripeGateway, lookalike: LookAlike, card: str, told: str | None
) -> None:
    """Its decline is no word of the payment's own: only the page's intents carry it, and those of a subscription do not."""
    opened, session = await open_page(gateway, lookalike)
    if card == NO_FUNDS:
        await lookalike.refused_payment(session, card_number=card)
    else:
        await lookalike.pay(session, card_number=card)
        outcome = "approve" if told else "fail"
        answer = await lookalike.http.post(f"/sandbox/checkout/{session.id}/authenticate", json={"outcome": outcome})
        assert answer.json()["error"].get("decline_code") == told
    assert await ends(opened, PaymentStatus.CHECKOUT_OPENED, 0)

    await lookalike.pay(session, card_number=CARD)

    await ends(opened, PaymentStatus.SUCCEEDED, 500)


async def test_a_debit_is_processing_until_its_money_comes_and_then_brings_the_credits(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    opened, session = await open_page(gateway, lookalike)
    await lookalike.pay(session, iban=IBAN)

    await ends(opened, PaymentStatus.PROCESSING, 0)
    subscribed = await begun(opened, session)
    assert (await subscribed.subscription()).status is Status.ACTIVE, "Stripe does not make the customer wait"
    assert await _invoices_told(subscribed) == [], "the invoice was tried, and has not failed"

    await lookalike.control(f"checkout/{session.id}/settle", outcome="succeed")

    payment = await ends(opened, PaymentStatus.SUCCEEDED, 500)
    assert payment.refundable_minor == 20_00
    assert payment.gateway_payment_id is not None
    assert (await subscribed.subscription()).standing.access_until is None


async def test_a_debit_that_is_returned_brings_nothing_and_leaves_access_for_the_grace_period(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    opened, session = await open_page(gateway, lookalike)
    await lookalike.pay(session, iban=IBAN)
    await opened.catch_up()
    await lookalike.control(f"checkout/{session.id}/settle", outcome="fail")

    await opened.catch_up()

    subscribed = await begun(opened, session)
    failed, subscription = await subscribed.checkout(), await subscribed.subscription()
    assert (failed.status, await subscribed.credits()) == (PaymentStatus.FAILED, 0)
    assert subscription.status is Status.PAST_DUE
    assert subscription.standing.access_until == subscription.standing.current_period_start + GRACE

    at_stripe = (await lookalike.subscription(subscribed.gateway_subscription_id)).to_dict()
    await lookalike.use_card(at_stripe["customer"], at_stripe["id"], "pm_card_visa")
    await lookalike.client.v1.invoices.pay_async(at_stripe["latest_invoice"])
    await subscribed.catch_up()

    recovered, subscription = await subscribed.checkout(), await subscribed.subscription()
    assert (recovered.status, await subscribed.credits()) == (PaymentStatus.SUCCEEDED, 500), "money wins"
    assert (subscription.status, subscription.standing.access_until) == (Status.ACTIVE, None)
    assert subscribed.service.told.count("credits.purchased") == 1


async def test_a_trial_charges_nothing_and_its_page_is_paid_all_the_same(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    opened, session = await open_page(gateway, lookalike, "starter")
    await lookalike.pay(session, card_number=CARD)

    payment = await ends(opened, PaymentStatus.SUCCEEDED, 100)

    assert (payment.amount_minor, payment.gateway_payment_id, payment.untraced) == (0, None, False)
    assert (await (await begun(opened, session)).subscription()).status is Status.TRIALING


async def test_a_page_that_expired_ends_the_payment_and_begins_nothing(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    opened, session = await open_page(gateway, lookalike)
    await lookalike.control(f"checkout/{session.id}/expire")

    await ends(opened, PaymentStatus.EXPIRED, 0)

    late: httpx.Response = await lookalike.http.post(f"/sandbox/checkout/{session.id}/pay", json={"card_number": CARD})
    assert late.status_code == 400
    again, session = await open_page(gateway, lookalike)
    await lookalike.pay(session, card_number=CARD)
    await ends(again, PaymentStatus.SUCCEEDED, 500)


async def _invoices_told(subscribed: Subscribed) -> list[str]:
    """What asking after its invoices would record."""
    service: Service = subscribed.service.twin()
    before = len(service.told)
    for notice in await service.gateway.ask_about_invoices(subscribed.gateway_subscription_id):
        await service.tell(notice)
    return service.told[before:]
