"""What a subscription's invoices mean: each one that was charged is a payment, and brings the credits of its period, once."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from commands.customers import freezes_with_customer
from commands.open_requests import OpenRequests
from commands.ports import Context, Decided, EventStore, Receipt, States
from commands.settlement import payment_of, settle
from commands.statements import Origin, origin_of, take_up, watch_on
from domain.customer import CUSTOMERS
from domain.payment import PAYMENTS, Payment, PaymentEvent, Status
from domain.payment.invoicing import pay_invoice, payment_id_of
from domain.product import Product
from domain.project.catalogue import product_at
from domain.streams import Stream
from domain.subscription import SUBSCRIPTIONS, Subscription, SubscriptionEvent, subscription_id
from domain.subscription.invoices import FIRST, close, fail, renew
from domain.wallet import WALLETS, Wallet, WalletEvent, grant, purchase, wallet_id
from gateways.errors import NoticeUnmatched
from gateways.notices import CheckoutPaid, InvoiceClosed, InvoiceFailed, InvoicePaid, InvoiceUnconfirmed
from gateways.port import Gateway


async def settle_checkout(
    notice: CheckoutPaid,
    gateway_subscription_id: str,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    open_requests: OpenRequests,
) -> Receipt:
    """A checkout that began a subscription is paid: by its first invoice, which knows what with."""
    payment = await payment_of(notice, store)
    if (payment.status is not Status.SUCCEEDED or payment.untraced) and notice.invoice_id is not None:
        told = await gateway.read_invoice(notice.invoice_id)
        if isinstance(told, InvoicePaid):
            notice = _paid_with(notice, told)
    receipt = await settle(notice, context, store, subscription_id(gateway.name, gateway_subscription_id))
    await take_up(gateway_subscription_id, payment.payment_id, context, store, gateway, open_requests)
    return receipt


async def pay(
    notice: InvoicePaid, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> Receipt:
    """Record that an invoice was paid: the checkout's payment by the first one, a payment of its own by each later one.

    Raises `NoticeUnmatched`, and `GatewayUnavailable` where the gateway had to be asked what it was paid with.
    """
    stream = SUBSCRIPTIONS.at(subscription_id(gateway.name, notice.gateway_subscription_id))
    origin = await origin_of(stream, notice.payment_id, store)
    if notice.invoice.amount_minor and notice.gateway_payment_id is None:
        told = await gateway.read_invoice(notice.invoice.invoice_id)
        notice = told if isinstance(told, InvoicePaid) else notice
    if notice.invoice.billing_reason == FIRST:
        receipt = await settle(await _as_checkout(notice, origin.payment, gateway), context, store, stream.id)
        await take_up(notice.gateway_subscription_id, origin.payment.payment_id, context, store, gateway, open_requests)
        return receipt
    await take_up(notice.gateway_subscription_id, notice.payment_id, context, store, gateway, open_requests)
    receipt = await _renew(notice, stream, origin, context, store)
    await watch_on(stream, context.now, store, open_requests)
    return receipt


async def miss(
    notice: InvoiceFailed, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> Receipt | None:
    """Record that an attempt at an invoice failed. Of the first one its checkout tells."""
    stream = SUBSCRIPTIONS.at(subscription_id(gateway.name, notice.gateway_subscription_id))
    origin = await origin_of(stream, notice.payment_id, store)
    if notice.invoice.billing_reason == FIRST:
        return None
    await take_up(notice.gateway_subscription_id, notice.payment_id, context, store, gateway, open_requests)

    def decide(states: States) -> Decided:
        facts = fail(
            _known(states, stream),
            notice.invoice,
            attempt=notice.attempt,
            retry_at=notice.retry_at,
            awaits_customer=notice.awaits_customer,
            grace=origin.grace,
        )
        return Decided([stream.facts(*facts)], {"subscription_id": stream.id})

    receipt = await store.record(context.for_project(origin.project.project_id), [stream], decide)
    await watch_on(stream, context.now, store, open_requests)
    return receipt


async def confirm(
    notice: InvoiceUnconfirmed, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> Receipt | None:
    """Record how an invoice stands that waits for its customer, or did when the word was written: the gateway is asked."""
    await origin_of(
        SUBSCRIPTIONS.at(subscription_id(gateway.name, notice.gateway_subscription_id)), notice.payment_id, store
    )
    match await gateway.read_invoice(notice.invoice_id):
        case InvoiceFailed() as told:
            return await miss(told, context, store, gateway, open_requests)
        case InvoicePaid() as told:
            return await pay(told, context, store, gateway, open_requests)
        case InvoiceClosed() as told:
            return await drop(told, context, store, gateway, open_requests)
    return None


async def drop(
    notice: InvoiceClosed, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> Receipt:
    """Record that an invoice is not due any more."""
    stream = SUBSCRIPTIONS.at(subscription_id(gateway.name, notice.gateway_subscription_id))
    origin = await origin_of(stream, notice.payment_id, store)
    await take_up(notice.gateway_subscription_id, notice.payment_id, context, store, gateway, open_requests)

    def decide(states: States) -> Decided:
        facts = close(_known(states, stream), notice.invoice_id, origin.grace)
        return Decided([stream.facts(*facts)], {"subscription_id": stream.id})

    return await store.record(context.for_project(origin.project.project_id), [stream], decide)


@dataclass(frozen=True, slots=True)
class _Bill:
    """An invoice of a subscription that was paid, and what is sold with it; `product` is None where nothing is known of it."""

    notice: InvoicePaid
    origin: Origin
    subscription_id: str

    @property
    def product(self) -> Product | None:
        """What the catalogue sells at the price of the invoice, whatever the subscription is to meanwhile."""
        buyer = self.origin.payment
        return product_at(self.origin.project, self.price_id, preferred=buyer.product_id)

    @property
    def price_id(self) -> str:
        line = self.notice.invoice.main_line
        return line.price_id if line and line.price_id else self.origin.payment.price_id

    @property
    def quantity(self) -> int:
        line = self.notice.invoice.main_line
        return line.quantity if line else 1

    @property
    def credits(self) -> int:
        """A whole period brings the credits of its product; what a change in the midst of one comes to brings none."""
        return self.product.credits * self.quantity if self.product and self.notice.invoice.buys_period else 0

    @property
    def credit_type(self) -> str:
        return self.product.credit_type if self.product and self.credits else ""

    @property
    def payment(self) -> Stream[Payment, PaymentEvent] | None:
        """The payment that it becomes, where anything was paid."""
        invoice = self.notice.invoice
        gateway = self.origin.payment.gateway
        return PAYMENTS.at(payment_id_of(gateway, invoice.invoice_id)) if invoice.amount_minor else None

    @property
    def wallet(self) -> Stream[Wallet, WalletEvent] | None:
        buyer = self.origin.payment
        return WALLETS.at(wallet_id(buyer.project_id, buyer.user_id, self.credit_type)) if self.credits else None

    def paid(self, payment: Payment | None) -> list[PaymentEvent]:
        invoice, buyer = self.notice.invoice, self.origin.payment
        return pay_invoice(
            payment,
            project_id=buyer.project_id,
            user_id=buyer.user_id,
            customer_id=buyer.customer_id,
            subscription_id=self.subscription_id,
            invoice_id=invoice.invoice_id,
            product_id=self.product.product_id if self.product else self.price_id,
            product_type=self.product.type.value if self.product else "subscription",
            price_id=self.price_id,
            quantity=self.quantity,
            amount_minor=invoice.amount_minor,
            currency=invoice.currency,
            credits=self.credits,
            credit_type=self.credit_type,
            gateway=buyer.gateway,
            gateway_payment_id=self.notice.gateway_payment_id,
            gateway_subscription_id=self.notice.gateway_subscription_id,
            issued_at=invoice.issued_at,
        )

    def credited(self, wallet: Wallet | None, now: datetime) -> list[WalletEvent]:
        """The credits of its period: bought with its payment, or given where nothing was charged for it."""
        invoice, buyer = self.notice.invoice, self.origin.payment
        if self.payment and self.product:
            return purchase(
                wallet,
                project_id=buyer.project_id,
                user_id=buyer.user_id,
                credit_type=self.credit_type,
                amount=self.credits,
                payment_id=self.payment.id,
                product_id=self.product.product_id,
                now=now,
            )
        return grant(
            wallet,
            project_id=buyer.project_id,
            user_id=buyer.user_id,
            credit_type=self.credit_type,
            amount=self.credits,
            entry_id=f"ent_{payment_id_of(buyer.gateway, invoice.invoice_id)}",
            reason=invoice.billing_reason,
            now=now,
            subscription_id=self.subscription_id,
            invoice_id=invoice.invoice_id,
        )


async def _renew(
    notice: InvoicePaid,
    stream: Stream[Subscription, SubscriptionEvent],
    origin: Origin,
    context: Context,
    store: EventStore,
) -> Receipt:
    """In one commit: that it is renewed, the payment that its invoice became, and the credits of its period."""
    bill = _Bill(notice, origin, stream.id)
    payment, wallet = bill.payment, bill.wallet
    customer = CUSTOMERS.at(origin.payment.customer_id)

    def decide(states: States) -> Decided:
        renewed = renew(
            _known(states, stream),
            notice.invoice,
            payment_id=payment.id if payment else None,
            credits=bill.credits,
            credit_type=bill.credit_type,
            grace=origin.grace,
        )
        facts = [stream.facts(*renewed)]
        if payment and (renewed or states[payment]):
            facts.insert(0, payment.facts(*bill.paid(states[payment])))
        if renewed and wallet:
            brought = bill.credited(states[wallet], context.now)
            frozen = freezes_with_customer(states[customer], wallet, states[wallet], brought)
            facts.append(wallet.facts(*brought, *frozen))
        return Decided(facts, {"subscription_id": stream.id, "payment_id": payment.id if payment else None})

    mine = (stream, payment, wallet, customer if wallet else None)
    streams: list[Stream[Any, Any]] = [found for found in mine if found is not None]
    return await store.record(context.for_project(origin.project.project_id), streams, decide)


async def _as_checkout(notice: InvoicePaid, payment: Payment, gateway: Gateway) -> CheckoutPaid:
    """What the checkout will say, or has said: whichever comes first is recorded."""
    checkout_id = payment.checkout_id or await gateway.find_checkout(notice.gateway_subscription_id)
    if checkout_id is None:
        raise NoticeUnmatched
    checkout = CheckoutPaid(
        checkout_id=checkout_id,
        payment_id=payment.payment_id,
        amount_minor=notice.invoice.amount_minor,
        currency=notice.invoice.currency,
        gateway_payment_id=None,
        gateway_subscription_id=notice.gateway_subscription_id,
    )
    return _paid_with(checkout, notice)


def _paid_with(checkout: CheckoutPaid, invoice: InvoicePaid) -> CheckoutPaid:
    return replace(
        checkout,
        amount_minor=invoice.invoice.amount_minor,
        currency=invoice.invoice.currency,
        gateway_payment_id=invoice.gateway_payment_id,
        invoice_id=invoice.invoice.invoice_id,
    )


def _known(states: States, stream: Stream[Subscription, SubscriptionEvent]) -> Subscription:
    subscription = states[stream]
    assert subscription is not None, "taken up before"
    return subscription
