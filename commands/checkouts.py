"""Open the checkout of a recorded payment: ask the gateway as often as it takes, with one request under one key."""

from datetime import timedelta

from commands.asking import alone, key_lives
from commands.open_requests import OpenRequest, OpenRequests, to_send
from commands.ports import Answer, Context, Decided, EventStore, Receipt, States
from commands.refusals import unless_refused, with_refusal
from domain.payment import PAYMENTS, Payment, PaymentEvent, checkout
from domain.streams import Stream
from gateways.errors import GatewayBusy, GatewayKeyMismatch, GatewayRefused, GatewayUnavailable
from gateways.port import Checkout, Gateway
from vault.port import Vault

ASK_AFTER_EXPIRY = timedelta(minutes=5)


async def open_checkout(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    """Ask the gateway to open the checkout of a recorded payment, with the request and key that were kept for it.

    Raises `CommandInProgress` while another process is doing so.
    """
    async with alone(context, store):
        return await _ask(kept, context, store, gateway, vault, open_requests)


async def answered(context: Context, store: EventStore) -> Receipt | None:
    """What opening this command's checkout came to before: the receipt, or the gateway's refusal raised again."""
    receipt = await store.receipt(context.step("opened"))
    return None if receipt is None else unless_refused(receipt)


async def _ask(
    kept: OpenRequest,
    context: Context,
    store: EventStore,
    gateway: Gateway,
    vault: Vault,
    open_requests: OpenRequests,
) -> Receipt:
    payment = await store.load(PAYMENTS.at(kept.stream_id))
    assert payment is not None, "recorded before the gateway is asked"
    checkout.check_openable(payment)
    if not key_lives(kept, context.now):
        return await _lose_track(kept, context, store)  # The reconciler looks for it by its id.
    request, key = await to_send(kept, vault)
    try:
        opened = await gateway.open_checkout(request, key)
    except GatewayBusy:
        raise  # No page that anybody could pay on: whoever asked may ask again in a moment.
    except (GatewayUnavailable, GatewayKeyMismatch):
        return await _lose_track(kept, context, store)
    except GatewayRefused as refusal:
        receipt = await _fail(kept, context, store, refusal)
        await open_requests.close(kept.kind, kept.id, context.now)
        return unless_refused(receipt)
    return await record_opened(kept, opened, context, store, open_requests)


async def record_opened(
    kept: OpenRequest, opened: Checkout, context: Context, store: EventStore, open_requests: OpenRequests
) -> Receipt:
    """Record the page that the gateway holds open, with the answer that the caller gets, now and at each retry."""
    stream = PAYMENTS.at(kept.stream_id)

    def decide(states: States) -> Decided:
        payment = known(states, stream)
        facts = checkout.open_checkout(payment, opened.checkout_id, opened.expires_at)
        return Decided([stream.facts(*facts)], _answer(payment, facts, opened))

    receipt = await store.record(context.step("opened"), [stream], decide)
    await open_requests.postpone(kept.kind, kept.id, opened.expires_at + ASK_AFTER_EXPIRY, attempts=0)
    return receipt


async def _lose_track(kept: OpenRequest, context: Context, store: EventStore) -> Receipt:
    stream = PAYMENTS.at(kept.stream_id)

    def decide(states: States) -> Decided:
        payment = known(states, stream)
        facts = checkout.lose_track(payment, "the gateway's answer is unknown")
        return Decided([stream.facts(*facts)], _answer(payment, facts, None))

    receipt = await store.record(context.step("unconfirmed"), [stream], decide)
    return Receipt(receipt.answer, receipt.versions, replayed=False)


async def _fail(kept: OpenRequest, context: Context, store: EventStore, refusal: GatewayRefused) -> Receipt:
    stream = PAYMENTS.at(kept.stream_id)
    code = str(refusal.details.get("gateway_code") or refusal.code)

    def decide(states: States) -> Decided:
        facts = checkout.fail(known(states, stream), code, "the gateway refused to open a checkout")
        return Decided([stream.facts(*facts)], with_refusal({"payment_id": kept.stream_id}, refusal))

    return await store.record(context.step("opened"), [stream], decide)


def known(states: States, stream: Stream[Payment, PaymentEvent]) -> Payment:
    payment = states[stream]
    assert payment is not None, "the payment was recorded before"
    return payment


def after(payment: Payment, facts: list[PaymentEvent]) -> Payment:
    """The payment once these facts have happened to it."""
    return PAYMENTS.fold(facts, payment) or payment


def _answer(payment: Payment, facts: list[PaymentEvent], opened: Checkout | None) -> Answer:
    return {
        "payment_id": payment.payment_id,
        "checkout_session_id": opened.checkout_id if opened else None,
        "checkout_url": opened.url if opened else None,
        "payment_type": payment.payment_type,
        "status": after(payment, facts).status.value,
    }
