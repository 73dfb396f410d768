"""Payments: start one, cancel one. The payment is recorded before the gateway is asked, and its answer after."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from commands.checkouts import after, answered, known, open_checkout
from commands.interpretation import interpret
from commands.open_requests import SEALED_KIND, OpenRequest, OpenRequests, RequestKind
from commands.ports import Context, Decided, EventStore, Receipt, States
from commands.refusals import refusing
from domain.customer import customer_id
from domain.errors import DomainError
from domain.payment import PAYMENTS, checkout
from domain.payment.errors import CustomerErased, PaymentUnknown, PriceInactive, SuccessUrlMissing
from domain.product import Product, ProductType
from domain.project import Project
from domain.project.catalogue import check_payment_type, product_for_sale
from gateways.errors import CheckoutNotOpen, GatewayRefused, GatewayUnavailable
from gateways.port import CheckoutOrder, Gateway
from vault.port import Shredded, Vault

CHECKOUT_OPEN_FOR = timedelta(hours=23)  # Stripe allows 24; the margin keeps a late retry of the request valid.
ASK_AGAIN_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPayment:
    """Take a payment for a product of the catalogue, or for a price of the gateway's. One of the two ids is given."""

    project: Project
    user_id: str
    email: str | None
    product_id: str | None
    price_id: str | None
    quantity: int
    payment_type: str
    success_url: str | None
    cancel_url: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPayment:
    """Withdraw a payment that nobody has paid yet."""

    project_id: str
    payment_id: str
    reason: str


def payment_id_of(command_id: UUID) -> str:
    """The id of the payment that a command starts, however often the command is sent."""
    return f"pay_{uuid5(command_id, 'payment').hex}"


async def start_payment(
    command: StartPayment,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    """Record the payment, open its checkout, record that. A retry goes on where a crash stopped.

    Answers {payment_id, checkout_session_id, checkout_url, payment_type, status}; with status `unconfirmed` and no URL
    where the gateway's answer never came. Raises what the project, the catalogue or the gateway refuses, and `GatewayBusy`.
    """
    receipt = await answered(context, store)
    if receipt is not None:
        return receipt
    payment_id = payment_id_of(context.command_id)
    if await store.receipt(context) is None:
        await _initiate(command, payment_id, context, store, gateway, vault, open_requests)
    kept = await open_requests.get(RequestKind.CHECKOUT, payment_id)
    assert kept is not None, "kept before the payment was recorded"
    return await open_checkout(kept, context, store, gateway, vault, open_requests)


async def _initiate(
    command: StartPayment,
    payment_id: str,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> None:
    project_id = command.project.project_id
    owner = customer_id(project_id, command.user_id)
    try:
        product = await _product(command, gateway)
        order = await _order(command, payment_id, product, context.now, vault)
    except (GatewayUnavailable, GatewayRefused):
        raise  # What the gateway says of a price may be different the next time.
    except DomainError as refusal:
        await store.record(context, [], refusing(refusal))
        raise
    request = gateway.checkout_request(order).decode()
    try:
        sealed = await vault.seal(owner, SEALED_KIND, payment_id, {"request": request})
    except Shredded as error:
        raise CustomerErased(command.user_id) from error
    kept = OpenRequest(
        kind=RequestKind.CHECKOUT,
        id=payment_id,
        stream_id=payment_id,
        project_id=project_id,
        gateway=gateway.name,
        command_id=context.command_id,
        fingerprint=context.fingerprint,
        request_id=context.request_id,
        idempotency_key=f"tillstream-{context.command_id}-1",
        request=sealed,
        created_at=context.now,
    )
    await open_requests.add(kept, due_at=context.now + ASK_AGAIN_AFTER)
    if command.email:
        contact = await vault.seal(owner, "contact", payment_id, {"email": command.email})
        context = context.sealing(contact)
    stream = PAYMENTS.at(payment_id)

    def decide(states: States) -> Decided:
        facts = checkout.initiate(
            states[stream],
            payment_id=payment_id,
            project_id=project_id,
            user_id=command.user_id,
            product=product,
            quantity=command.quantity,
            gateway=gateway.name,
            metadata=command.metadata,
            now=context.now,
        )
        return Decided([stream.facts(*facts)], {"payment_id": payment_id})

    await store.record(context, [stream], decide)


async def _product(command: StartPayment, gateway: Gateway) -> Product:
    """The product that is bought. A price that no product of the catalogue has is sold as itself, as the gateway states it."""
    if command.product_id is not None:
        return product_for_sale(command.project, command.product_id, command.payment_type)
    assert command.price_id is not None, "the request names a product or a price"
    for product in command.project.products.values():
        if product.price.price_id == command.price_id:
            check_payment_type(product, command.payment_type)
            return product
    listed = await gateway.read_price(command.price_id)
    if not listed.active:
        raise PriceInactive(command.price_id)
    recurring = listed.price.interval is not None
    product = Product(
        product_id=command.price_id,
        name=listed.product_name,
        type=ProductType.SUBSCRIPTION if recurring else ProductType.ONE_TIME,
        price=listed.price,
        recurring=recurring,
        credits=0,
        credit_type="",
        permissions=(),
    )
    check_payment_type(product, command.payment_type)
    return product


async def _order(
    command: StartPayment, payment_id: str, product: Product, now: datetime, vault: Vault
) -> CheckoutOrder:
    project_id = command.project.project_id
    success_url, cancel_url = command.success_url, command.cancel_url
    if success_url is None or cancel_url is None:
        addresses = await vault.open(project_id, "addresses", project_id) or {}
        success_url = success_url or addresses.get("success_url")
        cancel_url = cancel_url or addresses.get("cancel_url")
    if not success_url:
        raise SuccessUrlMissing
    return CheckoutOrder(
        payment_id=payment_id,
        project_id=project_id,
        price_id=product.price.price_id,
        quantity=command.quantity,
        recurring=product.recurring,
        metered=product.type is ProductType.METERED,
        trial_days=product.price.trial_days,
        email=command.email,
        success_url=success_url,
        cancel_url=cancel_url or None,
        expires_at=now + CHECKOUT_OPEN_FOR,
    )


async def cancel_payment(
    command: CancelPayment, context: Context, store: EventStore, gateway: Gateway, open_requests: OpenRequests
) -> Receipt:
    """Close the page at the gateway, then record the cancellation. What was paid just before is recorded instead.

    Answers {payment_id, status}. Raises `PaymentAlreadySucceeded`, `PaymentNotCancelable`, `CheckoutNotKnownYet`.
    """
    receipt = await store.receipt(context)
    if receipt is not None:
        return receipt
    stream = PAYMENTS.at(command.payment_id)
    payment = await store.load(stream)
    if payment is None or payment.project_id != command.project_id:
        raise PaymentUnknown(command.payment_id)
    checkout.check_cancelable(payment)
    assert payment.checkout_id is not None, "what can be canceled has a checkout"
    try:
        await gateway.expire_checkout(payment.checkout_id, f"tillstream-{context.command_id}-expire")
    except CheckoutNotOpen:
        for notice in await gateway.ask(payment.checkout_id):
            await interpret(notice, context.step(f"asked/{notice}"), store, gateway, open_requests)

    def decide(states: States) -> Decided:
        payment = known(states, stream)
        facts = checkout.cancel(payment, command.reason)
        status = after(payment, facts).status.value
        return Decided([stream.facts(*facts)], {"payment_id": payment.payment_id, "status": status})

    return await store.record(context, [stream], decide)
