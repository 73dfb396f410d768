"""Under which id the gateway took the money of a subscription's payment, asked for where no word of it came along."""

from commands.ports import Context, Decided, EventStore, States
from domain.payment import PAYMENTS, Payment, settlement
from domain.payment.invoicing import payment_id_of
from domain.subscription import SUBSCRIPTIONS, subscription_id
from domain.subscription.invoices import FIRST
from gateways.notices import CheckoutPaid, InvoicePaid
from gateways.port import Gateway


async def trace(payment: Payment, context: Context, store: EventStore, gateway: Gateway) -> Payment:
    """The payment with the gateway's id of it, if the gateway knows one. Raises `GatewayUnavailable`."""
    if not payment.untraced:
        return payment
    return await _record(payment, await _asked(payment, gateway), context, store)


async def payment_taken_as(
    gateway_payment_id: str, context: Context, store: EventStore, gateway: Gateway
) -> Payment | None:
    """The payment whose invoice the gateway took this for, where that was not known here. Raises `GatewayUnavailable`."""
    told = await gateway.invoice_paid_with(gateway_payment_id)
    if not isinstance(told, InvoicePaid):
        return None
    payment_id = payment_id_of(gateway.name, told.invoice.invoice_id)
    if told.invoice.billing_reason == FIRST:  # The checkout's payment is that of the first invoice.
        began = await store.load(SUBSCRIPTIONS.at(subscription_id(gateway.name, told.gateway_subscription_id)))
        if began is None:
            return None
        payment_id = began.payment_id
    payment = await store.load(PAYMENTS.at(payment_id))
    return await _record(payment, gateway_payment_id, context, store) if payment is not None else None


async def _asked(payment: Payment, gateway: Gateway) -> str | None:
    invoice_id = payment.invoice_id
    if invoice_id is None and payment.checkout_id is not None:
        paid = [notice for notice in await gateway.ask(payment.checkout_id) if isinstance(notice, CheckoutPaid)]
        invoice_id = paid[0].invoice_id if paid else None
    told = await gateway.read_invoice(invoice_id) if invoice_id else None
    return told.gateway_payment_id if isinstance(told, InvoicePaid) else None


async def _record(payment: Payment, gateway_payment_id: str | None, context: Context, store: EventStore) -> Payment:
    stream = PAYMENTS.at(payment.payment_id)
    if not settlement.trace(payment, gateway_payment_id):
        return payment

    def decide(states: States) -> Decided:
        known = states[stream]
        assert known is not None, "loaded before"
        return Decided([stream.facts(*settlement.trace(known, gateway_payment_id))], {"payment_id": stream.id})

    await store.record(context.step("traced").for_project(payment.project_id), [stream], decide)
    return await store.load(stream) or payment
