"""Money of a subscription's invoices that goes back, or is contested: by us, in the dashboard, at the customer's bank."""

from dataclasses import replace
from typing import Any

import pytest

from commands.ports import Decided
from commands.refunds import RefundPayment, refund_payment
from domain.customer import CUSTOMERS, customer_id, suspend
from domain.payment import PAYMENTS, DisputeStatus, Payment, PaymentTraced
from domain.payment.errors import TakingUnknown
from domain.wallet import WALLETS, wallet_id
from gateways.notices import CheckoutPaid, InvoicePaid, Notice
from gateways.stripe.client import StripeGateway
from tests.commands.payments import context
from tests.commands.refunding import deliveries
from tests.commands.subscriptions import Service, Subscribed, subscribe
from tests.sandbox.stripe.lookalike import API_KEY, WEBHOOK_SECRET, LookAlike
from vault.memory import MemoryVault


class NotBookedYet(StripeGateway):
    """Stripe in the moment in which an invoice is paid already, and does not list yet what it was paid with."""

    async def read_invoice(self, invoice_id: str) -> Notice:
        told = await super().read_invoice(invoice_id)
        return replace(told, gateway_payment_id=None) if isinstance(told, InvoicePaid) else told


async def payments(subscribed: Subscribed) -> list[Payment]:
    """The first invoice's, then those of the renewals."""
    store = subscribed.service.store
    ids = dict.fromkeys(row.stream for row in store.rows if row.stream.startswith("pay_"))
    found: list[Payment] = []
    for id in ids:
        payment = await store.load(PAYMENTS.at(id))
        assert payment is not None
        found.append(payment)
    return found


async def two_periods(subscribed: Subscribed, service: Service | None = None) -> Subscribed:
    """Both paid at Stripe, and heard of."""
    await subscribed.catch_up(service)
    await subscribed.next_period()
    await subscribed.catch_up(service)
    return subscribed


async def refund(subscribed: Subscribed, payment: Payment, amount_minor: int | None = None) -> dict[str, Any]:
    service = subscribed.service
    command = RefundPayment(
        project_id="prj_shop", payment_id=payment.payment_id, amount_minor=amount_minor, reason=None, metadata={}
    )
    receipt = await refund_payment(
        command, context(), service.store, service.gateway, MemoryVault(), service.open_requests
    )
    return dict(receipt.answer)


async def refund_in_dashboard(lookalike: LookAlike, gateway_payment_id: str, amount_minor: int) -> str:
    made = await lookalike.client.v1.refunds.create_async(
        {"payment_intent": gateway_payment_id, "amount": amount_minor}
    )
    return made.id


async def intents(subscribed: Subscribed, lookalike: LookAlike) -> list[str]:
    """What Stripe took the money of the invoices with, oldest invoice first."""
    told = await subscribed.service.gateway.ask_about_invoices(subscribed.gateway_subscription_id)
    return [str(notice.gateway_payment_id) for notice in told if isinstance(notice, InvoicePaid)]


@pytest.fixture
async def renewed(gateway: StripeGateway, lookalike: LookAlike) -> Subscribed:
    """Two periods."""
    return await two_periods(await subscribe(gateway, lookalike))


@pytest.fixture
async def untraced(gateway: StripeGateway, lookalike: LookAlike) -> Subscribed:
    """Two periods, of which it is not known what they were paid with."""
    subscribed = await subscribe(gateway, lookalike)
    early = NotBookedYet(API_KEY, [WEBHOOK_SECRET], lookalike.address)
    await two_periods(subscribed, replace(subscribed.service, gateway=early))
    await early.close()
    return subscribed


# What was paid with is known.


@pytest.mark.parametrize("which", [0, 1], ids=["first invoice", "renewal"])
async def test_a_part_of_either_goes_back_and_takes_so_many_credits_of_it(renewed: Subscribed, which: int) -> None:
    payment = (await payments(renewed))[which]

    answer = await refund(renewed, payment, 5_00)

    assert (answer["status"], answer["credits_revoked"], answer["amount_refundable"]) == ("succeeded", 125, 15_00)
    assert await renewed.credits() == 1000 - 125
    wallet = await renewed.service.store.load(WALLETS.at(wallet_id("prj_shop", "user-1", "api")))
    assert wallet is not None
    left = wallet.grant(f"ent_{payment.payment_id}")
    assert left is not None
    assert left.remaining == 375, "not those of the other period"


@pytest.mark.parametrize("which", [0, 1], ids=["first invoice", "renewal"])
async def test_a_refund_in_the_dashboard_is_of_the_invoice_that_it_gives_back(
    renewed: Subscribed, lookalike: LookAlike, which: int
) -> None:
    intent = (await intents(renewed, lookalike))[which]

    made = await refund_in_dashboard(lookalike, intent, 20_00)
    await renewed.service.hear(*await deliveries(renewed.service.gateway, made))

    assert [payment.refunded_minor for payment in await payments(renewed)] == [20_00 * (which == 0), 20_00 * which]
    assert await renewed.credits() == 500


@pytest.mark.parametrize(
    ("evidence", "status", "credits"),
    [("winning_evidence", DisputeStatus.WON, 1000), ("losing_evidence", DisputeStatus.LOST, 500)],
)
async def test_a_disputed_renewal_freezes_and_takes_what_it_bought_alone(
    renewed: Subscribed, lookalike: LookAlike, evidence: str, status: DisputeStatus, credits: int
) -> None:
    intent = (await intents(renewed, lookalike))[1]
    (charge,) = (await lookalike.client.v1.charges.list_async({"payment_intent": intent})).data
    dispute = str((await lookalike.control(f"charges/{charge.id}/dispute"))["id"])
    wallet = WALLETS.at(wallet_id("prj_shop", "user-1", "api"))

    await renewed.service.hear(*await deliveries(renewed.service.gateway, dispute))
    contested = await renewed.service.store.load(wallet)
    assert contested is not None
    assert contested.freezes
    await lookalike.client.v1.disputes.update_async(dispute, {"evidence": {"uncategorized_text": evidence}})
    await renewed.service.hear(*await deliveries(renewed.service.gateway, dispute))

    first, second = await payments(renewed)
    assert (first.dispute_status, second.dispute_status) == (None, status)
    after = await renewed.service.store.load(wallet)
    assert after is not None
    assert (after.balance, len(after.freezes)) == (credits, 0)


# What was paid with is not known yet.


@pytest.mark.parametrize("which", [0, 1], ids=["first invoice", "renewal"])
async def test_a_refund_learns_first_what_an_invoice_was_paid_with(
    untraced: Subscribed, lookalike: LookAlike, which: int
) -> None:
    payment = (await payments(untraced))[which]
    assert payment.untraced

    answer = await refund(untraced, payment)

    assert (answer["status"], answer["amount_refunded"]) == ("succeeded", 20_00)
    traced = [event for event in untraced.service.store.events if isinstance(event, PaymentTraced)]
    assert [event.payment_id for event in traced] == [payment.payment_id]
    assert await untraced.credits() == 500


@pytest.mark.parametrize("which", [0, 1], ids=["first invoice", "renewal"])
async def test_a_refund_in_the_dashboard_finds_an_invoice_whose_payment_was_not_known(
    untraced: Subscribed, lookalike: LookAlike, which: int
) -> None:
    intent = (await intents(untraced, lookalike))[which]

    made = await refund_in_dashboard(lookalike, intent, 4_00)
    await untraced.service.hear(*await deliveries(untraced.service.gateway, made))

    payment = (await payments(untraced))[which]
    assert (payment.gateway_payment_id, payment.refunded_minor) == (intent, 4_00)


async def test_a_later_word_of_the_same_invoice_brings_what_the_first_one_lacked(
    untraced: Subscribed, lookalike: LookAlike
) -> None:

    for notice in await untraced.service.gateway.ask_about_invoices(untraced.gateway_subscription_id):
        await untraced.service.tell(notice)
    for notice in await untraced.service.gateway.ask(str((await untraced.checkout()).checkout_id)):
        assert isinstance(notice, CheckoutPaid)
        await untraced.service.tell(notice)

    assert not any(payment.untraced for payment in await payments(untraced))
    assert untraced.service.told.count("payment.traced") == 2
    assert await untraced.credits() == 1000


async def test_what_the_gateway_did_not_take_it_cannot_give_back(gateway: StripeGateway, lookalike: LookAlike) -> None:
    """An invoice that somebody marks as paid in the dashboard, having got the money otherwise."""
    subscribed = await subscribe(gateway, lookalike)
    await subscribed.catch_up()
    at_stripe = await lookalike.subscription(subscribed.gateway_subscription_id)
    await lookalike.use_card(str(at_stripe.customer), at_stripe.id, "pm_card_chargeCustomerFail")
    await subscribed.next_period()
    (owed,) = (await lookalike.client.v1.invoices.list_async({"status": "open"})).data
    await lookalike.client.v1.invoices.pay_async(str(owed.id), {"paid_out_of_band": True})
    await subscribed.catch_up()
    _, renewal = await payments(subscribed)
    assert await subscribed.credits() == 1000

    with pytest.raises(TakingUnknown, match="give the money back in the same way"):
        await refund(subscribed, renewal)


# A customer who may not spend.


async def test_the_first_credits_of_a_suspended_customer_are_frozen_though_an_invoice_brings_them(
    gateway: StripeGateway, lookalike: LookAlike
) -> None:
    """The plan that was begun with brings none; that of the renewal does."""
    subscribed = await subscribe(gateway, lookalike, "plain")
    await subscribed.catch_up()
    customer = CUSTOMERS.at(customer_id("prj_shop", "user-1"))
    suspended = customer.facts(*suspend(None, customer.id, "user-1", "chargebacks"))
    await subscribed.service.store.record(context(), [customer], lambda _: Decided([suspended], {}))
    at_stripe = await lookalike.subscription(subscribed.gateway_subscription_id)
    item = at_stripe["items"].data[0].id
    await lookalike.client.v1.subscriptions.update_async(
        at_stripe.id, {"items": [{"id": item, "price": "price_team_monthly"}], "proration_behavior": "none"}
    )
    await subscribed.next_period()

    await subscribed.catch_up()

    wallet = await subscribed.service.store.load(WALLETS.at(wallet_id("prj_shop", "user-1", "api")))
    assert wallet is not None
    assert (wallet.balance, len(wallet.freezes)) == (2000, 1)
