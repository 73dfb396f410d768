"""What a checkout's notice means for its payment and for what it buys, recorded in one commit."""

from typing import Any

from commands.customers import freezes_with_customer
from commands.ports import Context, Decided, EventStore, Receipt, States
from domain.customer import CUSTOMERS
from domain.payment import PAYMENTS, Payment, PaymentEvent, PaymentSucceeded, checkout, settlement
from domain.streams import Stream
from domain.wallet import WALLETS, purchase, wallet_id
from gateways.errors import NoticeUnmatched
from gateways.notices import (
    AttemptDeclined,
    CheckoutExpired,
    CheckoutFailed,
    CheckoutNotice,
    CheckoutPaid,
    CheckoutProcessing,
)


async def settle(
    notice: CheckoutNotice, context: Context, store: EventStore, subscription_id: str | None = None
) -> Receipt:
    """Record what a notice means. Raises `NoticeUnmatched`. `subscription_id` is what a paid checkout began, if anything.

    The context's project is replaced by the payment's: the store decides whose payment it is, not what the notice says.
    """
    payment = await payment_of(notice, store)
    stream = PAYMENTS.at(payment.payment_id)
    wallet = WALLETS.at(wallet_id(payment.project_id, payment.user_id, payment.credit_type))
    customer = CUSTOMERS.at(payment.customer_id)
    buys_credits = isinstance(notice, CheckoutPaid) and payment.credits > 0

    def decide(states: States) -> Decided:
        payment = states[stream]
        assert payment is not None, "found before"
        meaning = _meaning(notice, payment, subscription_id)
        facts = [stream.facts(*meaning)]
        if buys_credits and any(isinstance(event, PaymentSucceeded) for event in meaning):
            bought = purchase(
                states[wallet],
                project_id=payment.project_id,
                user_id=payment.user_id,
                credit_type=payment.credit_type,
                amount=payment.credits,
                payment_id=payment.payment_id,
                product_id=payment.product_id,
                now=context.now,
            )
            frozen = freezes_with_customer(states[customer], wallet, states[wallet], bought)
            facts.append(wallet.facts(*bought, *frozen))
        return Decided(facts, {"payment_id": payment.payment_id})

    streams: list[Stream[Any, Any]] = [stream, wallet, customer] if buys_credits else [stream]
    return await store.record(context.for_project(payment.project_id), streams, decide)


async def payment_of(notice: CheckoutNotice, store: EventStore) -> Payment:
    """By the checkout, which only the store can name; before that is known, by what the gateway was told."""
    payment_id = None
    if not isinstance(notice, AttemptDeclined):
        payment_id = await store.find("checkout", notice.checkout_id)
    payment_id = payment_id or notice.payment_id
    if payment_id is None:
        raise NoticeUnmatched
    payment = await store.load(PAYMENTS.at(payment_id))
    if payment is None:
        raise NoticeUnmatched
    return payment


def _meaning(notice: CheckoutNotice, payment: Payment, subscription_id: str | None) -> list[PaymentEvent]:
    match notice:
        case CheckoutPaid():
            return settlement.succeed(
                payment,
                amount_minor=notice.amount_minor,
                currency=notice.currency,
                checkout_id=notice.checkout_id,
                gateway_payment_id=notice.gateway_payment_id,
                gateway_subscription_id=notice.gateway_subscription_id,
                subscription_id=subscription_id,
            )
        case AttemptDeclined():
            return checkout.decline(payment, notice.attempt_id, notice.code, notice.decline_code)
    if payment.checkout_id not in (None, notice.checkout_id):
        return []  # Money is taken from any page; the end of another page is not the end of this payment.
    match notice:
        case CheckoutProcessing():
            return settlement.process(payment, notice.checkout_id, notice.gateway_payment_id)
        case CheckoutFailed():
            return checkout.fail(payment, notice.code, notice.reason, notice.gateway_payment_id)
        case CheckoutExpired():
            return checkout.expire(payment, "the checkout closed unpaid")
